//! What librdkafka frees is soon wanted again.
//!
//! It allocates every batch that it fetches, every record that is produced, and frees them a moment later, hundreds of
//! megabytes a second. An allocator that gives such memory back to the system is handed it again page by page, each
//! filled with zeros: a third of a lagging worker's time, as measured.

/// For how long freed memory is kept, in milliseconds: longer than a lagging worker takes to come round to it.
#[cfg(feature = "mimalloc")]
const KEPT_MS: std::ffi::c_long = 10_000;

/// mimalloc's `mi_option_purge_delay`, for which its bindings have no name.
#[cfg(feature = "mimalloc")]
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Lets the allocator keep for a while what is freed. Without the feature `mimalloc` it does nothing.
pub fn keep_freed() {
    // SAFETY: the number is an option of the version that is compiled in, and any value of it is allowed; it is
    // stored atomically.
    #[cfg(feature = "mimalloc")]
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, KEPT_MS);
    }
}

#[cfg(all(test, feature = "mimalloc"))]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_that_of_the_purge_delay() {
        // SAFETY: reading an option has no conditions.
        let get = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(get(), 1_000, "mimalloc's own default, which no neighbour of this option has");
        keep_freed();
        assert_eq!(get(), KEPT_MS);
    }
}
