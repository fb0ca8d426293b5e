// EAL's fatal errors go straight to stderr by fprintf, whatever the log level. The linker's --wrap
// (scripts/lib/dpdk.mjs) brings DPDK's printing here: what was meant for the process's own streams goes to DPDK's log.
#include <rte_log.h>

#include <cstdarg>
#include <cstdio>

extern "C" {

int __wrap___fprintf_chk(FILE* stream, int, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const bool own_stream = stream != stderr && stream != stdout;
  const int result =
      own_stream ? vfprintf(stream, format, arguments) : rte_vlog(RTE_LOG_ERR, RTE_LOGTYPE_EAL, format, arguments);
  va_end(arguments);
  return result;
}

int __wrap___printf_chk(int, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int result = rte_vlog(RTE_LOG_ERR, RTE_LOGTYPE_EAL, format, arguments);
  va_end(arguments);
  return result;
}

}  // extern "C"
