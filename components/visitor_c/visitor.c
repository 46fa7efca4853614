// The structs are the canonical ABI's layout of the WIT types in memory; a result is a tag and then its payload.
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wasi/api.h>

#define EXPORT(name) __attribute__((export_name("testing:visitor/visitor#" name)))

typedef struct { char *text; size_t length; } string;
typedef struct { string name, value; } variable;
typedef struct { struct { string *items; size_t length; } arguments; struct { variable *items; size_t length; } variables; } surroundings;
typedef struct { uint64_t began_seconds, took_milliseconds; } rest;
typedef struct { string article; uint32_t amount; } line;
typedef struct { uint8_t tag; string some; } option_string;
typedef struct {
  uint64_t id;
  struct { string name; uint8_t age; } customer;
  struct { line *items; size_t length; } lines;
  option_string note;
  bool paid;
  double weight;
  int32_t balance;
  uint8_t priority, extras;
  struct { uint8_t tag; string post; } delivery;
  struct { string *items; size_t length; } tags;
} order;

enum { OK, ERR };
enum { NONE, SOME };
enum { EXECUTION_FAILED, REFUSED };

// The host puts arguments into the guest's memory with it. A call has an instance of its own, so nothing is ever freed.
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL && size > 0) abort();
  return memory;
}

static void *new(size_t size) { return cabi_realloc(NULL, 0, 8, size); }

static string text(const char *text) {
  size_t length = strlen(text);
  return (string){memcpy(new(length), text, length), length};
}

static char *terminated(string text) {
  char *copy = new(text.length + 1);
  memcpy(copy, text.text, text.length);
  copy[text.length] = '\0';
  return copy;
}

EXPORT("look") void *look(void) {
  static struct { uint8_t tag; surroundings ok; } result;
  size_t count, size;
  if (__wasi_args_sizes_get(&count, &size) != 0) abort();
  uint8_t **arguments = new((count + 1) * sizeof *arguments), *buffer = new(size + 1);
  if (__wasi_args_get(arguments, buffer) != 0) abort();
  result.ok.arguments.items = new(count * sizeof(string));
  for (; result.ok.arguments.length < count; result.ok.arguments.length++)
    result.ok.arguments.items[result.ok.arguments.length] = text((char *)arguments[result.ok.arguments.length]);

  extern char **environ;
  size_t variables = 0;
  while (environ[variables] != NULL) variables++;
  result.ok.variables.items = new(variables * sizeof(variable));
  for (; result.ok.variables.length < variables; result.ok.variables.length++) {
    char *name = environ[result.ok.variables.length], *sign = strchr(name, '=');
    variable *item = &result.ok.variables.items[result.ok.variables.length];
    *item = (variable){{name, sign - name}, text(sign + 1)};
  }
  return &result;
}

EXPORT("nap") void *nap(uint64_t milliseconds) {
  static struct { uint8_t tag; rest ok; } result;
  struct timespec wall, start, end, pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &start);
  nanosleep(&pause, NULL);
  clock_gettime(CLOCK_MONOTONIC, &end);
  uint64_t took = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
  result.ok = (rest){wall.tv_sec, took};
  return &result;
}

EXPORT("draw") void *draw(uint32_t length) {
  static struct { uint8_t tag; string ok; } result;
  result.ok = (string){new(length), length};
  for (size_t drawn = 0; drawn < length; drawn += 256)  // getentropy gives so many at once
    if (getentropy(result.ok.text + drawn, length - drawn < 256 ? length - drawn : 256) != 0) abort();
  return &result;
}

EXPORT("say") void *say(char *out, size_t out_length, char *err, size_t err_length) {
  static struct { uint8_t tag; string err; } result;
  printf("%.*s\n", (int)out_length, out);
  fprintf(stderr, "%.*s\n", (int)err_length, err);
  if (fflush(stdout) != 0) {
    result.tag = ERR;
    result.err = text(strerror(errno));
  }
  return &result;
}

EXPORT("read") void *read_file(char *path, size_t path_length) {
  static struct { uint8_t tag; union { option_string ok; struct { uint8_t tag; string refused; } err; }; } result;
  FILE *file = fopen(terminated((string){path, path_length}), "r");
  string content = {NULL, 0};
  size_t got = 0;
  do {
    content.text = realloc(content.text, content.length + 4096);
    got = file == NULL ? 0 : fread(content.text + content.length, 1, 4096, file);
    content.length += got;
  } while (got > 0);
  if (file != NULL && !ferror(file)) {
    result.ok = (option_string){SOME, content};
  } else if (errno == ENOENT) {
    result.ok.tag = NONE;
  } else {
    result.tag = ERR;
    result.err.tag = REFUSED;
    result.err.refused = text(strerror(errno));
  }
  return &result;
}

EXPORT("mirror") void *mirror(order *given) {
  static struct { uint8_t tag; union { order ok; string err; }; } result;
  if (given->lines.length == 0) {
    result.tag = ERR;
    result.err = text("there are no lines");
    return &result;
  }
  result.ok = *given;
  result.ok.lines.items = new(given->lines.length * sizeof(line));
  for (size_t i = 0; i < given->lines.length; i++)
    result.ok.lines.items[i] = given->lines.items[given->lines.length - 1 - i];
  result.ok.note.tag = NONE;
  result.ok.balance = -given->balance;
  return &result;
}
