# http_reader: the HTTP/1.1 codec as a program, for the JavaScript tests that compare it with Node's parser (test/http).
add_executable(http_reader EXCLUDE_FROM_ALL test/http/reader/main.cc test/native/support/http_stream.cc)
target_include_directories(http_reader PRIVATE test/native)
target_link_libraries(http_reader PRIVATE core)
