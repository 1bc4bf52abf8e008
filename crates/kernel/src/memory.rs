//! Memory that grows with the data is asked for here: what cannot be had is an error, where `vec!` would end the process.

use crate::error::KernelError;

/// Number of entries of an array with these extents.
pub fn entries(shape: &[usize]) -> Result<usize, KernelError> {
    let count = shape.iter().try_fold(1usize, |count, &extent| count.checked_mul(extent));
    count.ok_or(KernelError::Memory { bytes: usize::MAX })
}

/// An empty vector with room for an array of these extents.
pub fn room<T>(shape: &[usize]) -> Result<Vec<T>, KernelError> {
    let count = entries(shape)?;
    let mut out = Vec::new();
    let bytes = count.saturating_mul(size_of::<T>());
    out.try_reserve_exact(count).map_err(|_| KernelError::Memory { bytes })?;
    Ok(out)
}

/// An array of one value.
pub fn filled<T: Clone>(value: T, shape: &[usize]) -> Result<Vec<T>, KernelError> {
    let mut out = room(shape)?;
    let count = entries(shape)?;
    out.resize(count, value);
    Ok(out)
}

pub fn zeros(shape: &[usize]) -> Result<Vec<f64>, KernelError> {
    filled(0.0, shape)
}

pub fn copy<T: Copy>(values: &[T]) -> Result<Vec<T>, KernelError> {
    let mut out = room(&[values.len()])?;
    out.extend_from_slice(values);
    Ok(out)
}

/// Makes room for some entries more.
#[inline]
pub fn grow<T>(out: &mut Vec<T>, by: usize) -> Result<(), KernelError> {
    let bytes = (out.len() + by).saturating_mul(size_of::<T>());
    out.try_reserve(by).map_err(|_| KernelError::Memory { bytes })
}

/// Makes `out` an array of zeros; its memory is used again.
pub fn clear(out: &mut Vec<f64>, shape: &[usize]) -> Result<(), KernelError> {
    let count = entries(shape)?;
    out.clear();
    grow(out, count)?;
    out.resize(count, 0.0);
    Ok(())
}

/// Makes sure that this much can be had, before work that asks for it bit by bit.
pub fn check(bytes: usize) -> Result<(), KernelError> {
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(bytes).map_err(|_| KernelError::Memory { bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        assert_eq!(zeros(&[2, 3]).map(|v| v.len()), Ok(6));
        assert_eq!(zeros(&[usize::MAX, 2]), Err(KernelError::Memory { bytes: usize::MAX }));
        assert_eq!(zeros(&[1 << 40, 1 << 10]), Err(KernelError::Memory { bytes: 1 << 53 }));
        assert_eq!(check(usize::MAX), Err(KernelError::Memory { bytes: usize::MAX }));
        let mut old = vec![1.0; 4];
        assert_eq!(clear(&mut old, &[3]), Ok(()));
        assert_eq!(old, vec![0.0; 3]);
    }
}
