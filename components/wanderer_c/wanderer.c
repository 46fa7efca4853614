// The structs are the canonical ABI's layout of the WIT types in memory; a result is a tag and then its payload.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))
#define WORKFLOW_SUPPORT "obelisk:workflow/workflow-support@6.0.0"
#define FIBO "testing:fibo-obelisk-ext/fibo"

typedef struct { uint64_t milliseconds, random, fibo; } step;
typedef struct { uint8_t tag; union { struct { uint8_t tag; uint64_t ok; } ok; uint64_t err[8]; }; } awaited;

IMPORT(WORKFLOW_SUPPORT, "random-u64") uint64_t random_u64(uint64_t min, uint64_t max_exclusive);
IMPORT(WORKFLOW_SUPPORT, "join-set-create") int32_t join_set_create(void);
IMPORT("obelisk:types/join-set@5.0.0", "[resource-drop]join-set") void join_set_drop(int32_t join_set);
IMPORT(FIBO, "fibo-submit") void fibo_submit(int32_t join_set, int32_t n, void *id);
IMPORT(FIBO, "fibo-await-next") void fibo_await_next(int32_t join_set, awaited *answer);

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  void *memory = realloc(old, size);
  if (memory == NULL && size > 0) abort();
  return memory;
}

static uint64_t fibo(uint8_t n) {
  struct { char *text; size_t length; } id;
  awaited answer;
  int32_t join_set = join_set_create();
  fibo_submit(join_set, n, &id);
  fibo_await_next(join_set, &answer);
  join_set_drop(join_set);
  if (answer.tag != 0 || answer.ok.tag != 0) abort();
  return answer.ok.ok;
}

__attribute__((export_name("testing:wanderer/wanderer#wander"))) void *wander(uint32_t steps) {
  static struct { uint8_t tag; struct { step *items; size_t length; } ok; } result;
  result.ok.items = calloc(steps, sizeof(step));
  while (result.ok.length < steps) {
    step *now = &result.ok.items[result.ok.length++];
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    now->milliseconds = wall.tv_sec * 1000 + wall.tv_nsec / 1000000;
    if (result.ok.length == steps) now->random = random_u64(0, 1000);
    else if (getentropy(&now->random, sizeof now->random) != 0) abort();
    printf("step %zu at %llu: %llu\n", result.ok.length, now->milliseconds, now->random);
    fflush(stdout);
    usleep(10000);
    now->fibo = fibo(result.ok.length);
  }
  return &result;
}
