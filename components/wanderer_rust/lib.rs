//! The `repr(C)` types are the canonical ABI's layout of the WIT types in memory; a result is a tag and then its payload.
use std::alloc::{self, Layout};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::mem::MaybeUninit;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[repr(C)]
pub struct Step {
    milliseconds: u64,
    random: u64,
    fibo: u64,
}

#[repr(C)]
pub struct Steps {
    tag: u8,
    items: *const Step,
    length: usize,
}

/// A result of a result; an error may be larger than an answer.
#[repr(C)]
struct Awaited {
    tag: u64,
    inner_tag: u64,
    answer: u64,
    rest: [u64; 8],
}

#[link(wasm_import_module = "obelisk:workflow/workflow-support@6.0.0")]
extern "C" {
    #[link_name = "random-u64"]
    fn random_u64(min: u64, max_exclusive: u64) -> u64;
    #[link_name = "join-set-create"]
    fn join_set_create() -> i32;
}

#[link(wasm_import_module = "obelisk:types/join-set@5.0.0")]
extern "C" {
    #[link_name = "[resource-drop]join-set"]
    fn join_set_drop(join_set: i32);
}

#[link(wasm_import_module = "testing:fibo-obelisk-ext/fibo")]
extern "C" {
    #[link_name = "fibo-submit"]
    fn fibo_submit(join_set: i32, n: i32, id: *mut [usize; 2]);
    #[link_name = "fibo-await-next"]
    fn fibo_await_next(join_set: i32, answer: *mut Awaited);
}

#[export_name = "cabi_realloc"]
pub unsafe extern "C" fn realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    match (old_size, size) {
        (0, 0) => align as *mut u8,
        (0, _) => alloc::alloc(Layout::from_size_align_unchecked(size, align)),
        _ => alloc::realloc(old, Layout::from_size_align_unchecked(old_size, align), size),
    }
}

unsafe fn fibo(n: u8) -> u64 {
    let (mut id, mut answer) = (MaybeUninit::uninit(), MaybeUninit::<Awaited>::zeroed());
    let join_set = join_set_create();
    fibo_submit(join_set, n.into(), id.as_mut_ptr());
    fibo_await_next(join_set, answer.as_mut_ptr());
    join_set_drop(join_set);
    let answer = answer.assume_init();
    assert_eq!((answer.tag, answer.inner_tag), (0, 0));
    answer.answer
}

#[export_name = "testing:wanderer/wanderer#wander"]
pub unsafe extern "C" fn wander(steps: u32) -> *const Steps {
    let mut done = Vec::new();
    for number in 1..=steps {
        let milliseconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let random = match number == steps {
            true => random_u64(0, 1000),
            false => RandomState::new().build_hasher().finish(),
        };
        println!("step {number} at {milliseconds}: {random}");
        thread::sleep(Duration::from_millis(10));
        done.push(Step { milliseconds, random, fibo: fibo(number as u8) });
    }
    let done = done.leak();
    Box::leak(Box::new(Steps { tag: 0, items: done.as_ptr(), length: done.len() }))
}
