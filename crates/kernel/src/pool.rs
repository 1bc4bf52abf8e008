//! The threads of this process: the one place that uses rayon.
//!
//! A forked child inherits a pool's memory but none of its threads, and would wait for them for ever. Each process therefore
//! makes a pool of its own when it first needs one. Results never depend on the number of threads.

use std::process;
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;

use faer::Par;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::watch;

/// The pool and the process that made it.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);
/// A lock that another thread held at the moment of a fork is never released in the child: it is not waited for.
const ATTEMPTS: usize = 10_000;

/// This process's pool; None where no threads can be had.
fn pool() -> Option<Arc<ThreadPool>> {
    let here = process::id();
    for _ in 0..ATTEMPTS {
        let mut made = match POOL.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                thread::yield_now();
                continue;
            }
        };
        if let Some((process, pool)) = &*made
            && *process == here
        {
            return Some(Arc::clone(pool));
        }
        let pool = Arc::new(ThreadPoolBuilder::new().build().ok()?);
        // to drop the parent's pool would wake threads that do not exist here
        std::mem::forget(made.replace((here, Arc::clone(&pool))));
        return Some(pool);
    }
    None
}

/// Runs `work` in the pool, under the caller's watch; it is told whether it may use threads.
fn within<R: Send>(work: impl FnOnce(bool) -> R + Send) -> R {
    if rayon::current_thread_index().is_some() {
        return work(true);
    }
    match pool() {
        Some(pool) => {
            let watch = watch::current();
            pool.install(|| watch::under(watch, || work(true)))
        }
        None => work(false),
    }
}

/// `work` of every item, in their order.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    map_init(items.len(), || (), |(), i| work(&items[i]))
}

/// `work` of 0..count, in this order, with a workspace per thread.
pub fn map_init<S, R: Send>(
    count: usize,
    init: impl Fn() -> S + Sync + Send,
    work: impl Fn(&mut S, usize) -> R + Sync + Send,
) -> Vec<R> {
    let watch = watch::current();
    within(|threads| {
        if threads {
            let watched = |space: &mut S, i| watch::under(watch.clone(), || work(space, i));
            (0..count).into_par_iter().map_init(&init, watched).collect()
        } else {
            let mut space = init();
            (0..count).map(|i| work(&mut space, i)).collect()
        }
    })
}

/// `work` of every piece of `size` values (the last may be shorter) and its number.
pub fn for_chunks(values: &mut [f64], size: usize, work: impl Fn(usize, &mut [f64]) + Sync + Send) {
    let watch = watch::current();
    within(|threads| {
        if threads {
            let pieces = values.par_chunks_mut(size).enumerate();
            pieces.for_each(|(i, piece)| watch::under(watch.clone(), || work(i, piece)));
        } else {
            values.chunks_mut(size).enumerate().for_each(|(i, piece)| work(i, piece));
        }
    });
}

/// Runs a product or factorization of faer: in threads where it is `worth` them.
pub fn dense<R: Send>(worth: bool, work: impl FnOnce(Par) -> R + Send) -> R {
    if worth {
        within(|threads| work(if threads { Par::rayon(0) } else { Par::Seq }))
    } else {
        work(Par::Seq)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::KernelError;
    use crate::watch::Watch;

    #[test]
    fn pieces_keep_their_order_and_know_the_callers_watch() {
        let watch = Arc::new(Watch::default());
        let items: Vec<usize> = (0..100).collect();
        let found = watch::under(Some(Arc::clone(&watch)), || {
            map(&items, |&i| {
                if i == 50 {
                    watch.stop();
                }
                (i, watch::current().is_some())
            })
        });
        assert!(found.iter().enumerate().all(|(i, f)| *f == (i, true)));
        assert_eq!(watch::under(Some(watch), watch::check), Err(KernelError::Interrupted));
        assert_eq!(watch::check(), Ok(()));
    }

    #[test]
    fn a_pool_of_another_process_is_left_alone() {
        let stale = Arc::new(ThreadPoolBuilder::new().num_threads(1).build().ok());
        if let Some(stale) = Arc::into_inner(stale).flatten() {
            let mut made = POOL.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *made = Some((process::id() ^ 1, Arc::new(stale)));
        }
        let here = pool().map(|pool| Arc::as_ptr(&pool) as usize);
        assert!(here.is_some());
        assert_eq!(pool().map(|pool| Arc::as_ptr(&pool) as usize), here);
    }
}
