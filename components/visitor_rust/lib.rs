//! The `repr(C)` types are the canonical ABI's layout of the WIT types in memory; a `Result` is a tag and then its payload.
use std::alloc::{self, Layout};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, io, io::Write, mem, slice, str, thread};

/// A list or a string. A call has an instance of its own, so nothing is ever freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct List<T> {
    items: *mut T,
    length: usize,
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        let items = items.leak();
        List { items: items.as_mut_ptr(), length: items.len() }
    }
}

impl From<String> for List<u8> {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl<T> List<T> {
    unsafe fn as_slice(&self) -> &[T] {
        slice::from_raw_parts(self.items, self.length)
    }
}

unsafe fn text<'a>(items: *const u8, length: usize) -> &'a str {
    str::from_utf8_unchecked(slice::from_raw_parts(items, length))
}

#[repr(C, u8)]
pub enum Answer<T, E> {
    Ok(T),
    Err(E),
}

fn answer<T, E>(answer: Answer<T, E>) -> *const Answer<T, E> {
    Box::leak(Box::new(answer))
}

#[repr(C)]
pub struct Surroundings {
    arguments: List<List<u8>>,
    variables: List<[List<u8>; 2]>,
}

#[repr(C)]
pub struct Rest {
    began_seconds: u64,
    took_milliseconds: u64,
}

#[repr(C, u8)]
#[derive(Clone, Copy)]
#[allow(dead_code)]
pub enum Maybe<T> {
    None,
    Some(T),
}

#[repr(C, u8)]
#[allow(dead_code)]
pub enum Unreadable {
    ExecutionFailed,
    Refused(List<u8>),
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Line {
    article: List<u8>,
    amount: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Customer {
    name: List<u8>,
    age: u8,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Order {
    id: u64,
    customer: Customer,
    lines: List<Line>,
    note: Maybe<List<u8>>,
    paid: bool,
    weight: f64,
    balance: i32,
    priority: u8,
    extras: u8,
    delivery: Maybe<List<u8>>,
    tags: List<List<u8>>,
}

/// The host puts arguments into the guest's memory with it.
#[export_name = "cabi_realloc"]
pub unsafe extern "C" fn realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    match (old_size, size) {
        (0, 0) => align as *mut u8,
        (0, _) => alloc::alloc(Layout::from_size_align_unchecked(size, align)),
        _ => alloc::realloc(old, Layout::from_size_align_unchecked(old_size, align), size),
    }
}

#[export_name = "testing:visitor/visitor#look"]
pub extern "C" fn look() -> *const Answer<Surroundings, List<u8>> {
    let arguments: Vec<List<u8>> = env::args().map(List::from).collect();
    let variables: Vec<[List<u8>; 2]> = env::vars().map(|(name, value)| [name.into(), value.into()]).collect();
    answer(Answer::Ok(Surroundings { arguments: arguments.into(), variables: variables.into() }))
}

#[export_name = "testing:visitor/visitor#nap"]
pub extern "C" fn nap(milliseconds: u64) -> *const Answer<Rest, List<u8>> {
    let (began, start) = (SystemTime::now(), Instant::now());
    thread::sleep(Duration::from_millis(milliseconds));
    answer(Answer::Ok(Rest {
        began_seconds: began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        took_milliseconds: start.elapsed().as_millis() as u64,
    }))
}

// What std itself draws from: it has no interface to it but the seeds of its hash maps.
#[link(wasm_import_module = "wasi_snapshot_preview1")]
extern "C" {
    fn random_get(bytes: *mut u8, length: usize) -> u16;
}

#[export_name = "testing:visitor/visitor#draw"]
pub extern "C" fn draw(length: usize) -> *const Answer<List<u8>, List<u8>> {
    let mut drawn = vec![0; length];
    assert_eq!(unsafe { random_get(drawn.as_mut_ptr(), length) }, 0);
    answer(Answer::Ok(drawn.into()))
}

#[export_name = "testing:visitor/visitor#say"]
pub unsafe extern "C" fn say(out: *const u8, out_length: usize, err: *const u8, err_length: usize) -> *const Answer<(), List<u8>> {
    println!("{}", text(out, out_length));
    eprintln!("{}", text(err, err_length));
    answer(match io::stdout().flush() {
        Ok(()) => Answer::Ok(()),
        Err(error) => Answer::Err(error.to_string().into()),
    })
}

#[export_name = "testing:visitor/visitor#read"]
pub unsafe extern "C" fn read(path: *const u8, length: usize) -> *const Answer<Maybe<List<u8>>, Unreadable> {
    answer(match fs::read_to_string(text(path, length)) {
        Ok(content) => Answer::Ok(Maybe::Some(content.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Answer::Ok(Maybe::None),
        Err(error) => Answer::Err(Unreadable::Refused(error.to_string().into())),
    })
}

#[export_name = "testing:visitor/visitor#mirror"]
pub unsafe extern "C" fn mirror(order: &Order) -> *const Answer<Order, List<u8>> {
    if order.lines.length == 0 {
        return answer(Answer::Err(String::from("there are no lines").into()));
    }
    let lines: Vec<Line> = order.lines.as_slice().iter().rev().copied().collect();
    answer(Answer::Ok(Order { lines: lines.into(), note: Maybe::None, balance: -order.balance, ..*order }))
}

const _: () = assert!(mem::size_of::<Order>() == 88);
