//! Stopping work from outside. The caller and the threads that work for it share a [`Watch`]; every thread knows its own, so
//! that a loop deep down can ask without being handed it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::KernelError;

/// What work and its caller share: how many pieces are done, and whether to stop.
#[derive(Debug, Default)]
pub struct Watch {
    stopped: AtomicBool,
    done: AtomicUsize,
}

impl Watch {
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    pub fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// One piece more is done.
    pub fn count(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub fn check(&self) -> Result<(), KernelError> {
        if self.is_stopped() { Err(KernelError::Interrupted) } else { Ok(()) }
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// The watch this thread works under.
pub fn current() -> Option<Arc<Watch>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Runs `work` under a watch; the thread's own is put back afterwards, also where `work` panics.
pub fn under<R>(watch: Option<Arc<Watch>>, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<Arc<Watch>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(watch));
    work()
}

/// Whether this thread's work is to stop. What is returned early for that reason means nothing: a [`check`] must follow.
#[inline]
pub fn is_stopped() -> bool {
    CURRENT.with_borrow(|watch| watch.as_ref().is_some_and(|w| w.is_stopped()))
}

/// The error of work that is to stop.
#[inline]
pub fn check() -> Result<(), KernelError> {
    if is_stopped() { Err(KernelError::Interrupted) } else { Ok(()) }
}
