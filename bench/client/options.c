#define _GNU_SOURCE
#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kMostConnections = 30000 };

static void usage(void) {
  fputs(
      "usage: loadgen open   ADDRESS PORT PATH --rate N [--seconds N] [--connections N] [--close] [--tls] [--resume]\n"
      "       loadgen closed ADDRESS PORT PATH [--seconds N] [--connections N] [--close] [--tls] [--resume]\n"
      "       loadgen hold   ADDRESS PORT PATH --connections N [--tls]\n",
      stderr);
  exit(2);
}

static double number(const char* text, double least, double most) {
  char* end;
  const double value = strtod(text, &end);
  if (*text == 0 || *end != 0 || !(value >= least && value <= most)) usage();
  return value;
}

static enum mode mode_of(const char* name) {
  if (strcmp(name, "open") == 0) return kOpen;
  if (strcmp(name, "closed") == 0) return kClosed;
  if (strcmp(name, "hold") != 0) usage();
  return kHold;
}

static void read_flags(struct options* o, int count, char** arguments) {
  static const struct option known[] = {
      {"rate", 1, 0, 'r'},  {"seconds", 1, 0, 's'}, {"connections", 1, 0, 'c'}, {"drain", 1, 0, 'd'},
      {"close", 0, 0, 'k'}, {"tls", 0, 0, 't'},     {"resume", 0, 0, 'e'},      {0, 0, 0, 0}};
  for (int flag; (flag = getopt_long(count, arguments, "", known, NULL)) != -1;) {
    switch (flag) {
      case 'r':
        o->rate = number(optarg, 0.1, 1e7);
        break;
      case 's':
        o->seconds = number(optarg, 0.01, 3600);
        break;
      case 'd':
        o->drain = number(optarg, 0, 60);
        break;
      case 'c':
        o->connections = (unsigned)number(optarg, 1, kMostConnections);
        break;
      case 'k':
        o->close = true;
        break;
      case 't':
        o->tls = true;
        break;
      case 'e':
        o->resume = true;
        break;
      default:
        usage();
    }
  }
}

struct options read_options(int count, char** arguments) {
  struct options o = {.seconds = 1, .drain = 2, .connections = 64};
  read_flags(&o, count, arguments);
  if (count - optind != 4) usage();
  o.mode = mode_of(arguments[optind]);
  o.address = arguments[optind + 1];
  o.port = (unsigned)number(arguments[optind + 2], 1, 65535);
  o.path = arguments[optind + 3];
  struct in_addr parsed;
  if (inet_pton(AF_INET, o.address, &parsed) != 1 || (o.mode == kOpen) != (o.rate > 0)) usage();
  return o;
}

char* build_request(const struct options* options, size_t* length) {
  char* request = NULL;
  const int n = asprintf(&request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n%s\r\n", options->path, options->address,
                         options->port, options->close ? "Connection: close\r\n" : "");
  if (n < 0) abort();
  *length = (size_t)n;
  return request;
}
