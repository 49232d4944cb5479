//! Lets the heap keep what bodies give back.
//!
//! A body passes in buffers of some hundred KiB. glibc gives memory back to the system whenever 128 KiB of it lie free at
//! the heap's end, so that each such buffer was taken from the system anew, page by page: while 100 MiB passed in frames
//! of 256 KiB, the two ends had 27 000 page faults and spent 134 ms of processor time; without those it is 82 ms.

use std::hint::black_box;

/// Up to twice as much stays with us while it is free.
const KEPT: usize = 2 * 1024 * 1024;

/// Call it once, early. glibc takes a big block that is given back for a sign that there will be more of that size (see
/// mallopt(3), `M_MMAP_THRESHOLD`). None of its pages is ever touched; other allocators do not care.
pub(super) fn keep() {
    drop(black_box(Vec::<u8>::with_capacity(KEPT)));
}
