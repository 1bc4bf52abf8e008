//! Which factor is eliminated level by level, which remains in the core, and where each nonzero block of the
//! factorization lives. Symbolic only: computed once per model.
//!
//! The largest factor (the *leading* one) is always eliminated. A later factor is eliminated too when every
//! eliminated factor before it is nested in it: its Schur complement is then still block-diagonal. All other
//! factors form the *core*. A level's off-diagonal blocks are kept as one *panel*: rows for each later
//! eliminated factor (one level each: the parent), rows for the core levels it meets, and the *tail*: one row
//! per fixed effect and one for the response.

use std::sync::Arc;

use crate::core_sparse::SparsePattern;
use crate::error::KernelError;
use crate::memory;
use crate::watch;

/// A grouping factor as the kernel orders them: by decreasing number of levels.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Position in the caller's list.
    pub input: usize,
    /// Number of levels.
    pub q: usize,
    /// Columns per level, over all its terms.
    pub k: usize,
    /// Its terms (positions in the caller's list) with their first column.
    pub terms: Vec<(usize, usize)>,
}

/// A later eliminated factor in which this one is nested.
#[derive(Clone, Debug)]
pub struct Parent {
    /// Position in `Blocks::eliminated`.
    pub elim: usize,
    /// Parent level of each level.
    pub level: Vec<u32>,
    /// For each core row of each level: its position among the core rows of the parent.
    pub core_map: Vec<u32>,
    /// First panel row of the parent's block.
    pub first_row: usize,
}

/// Sparsity of the panels of one eliminated factor.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub factor: usize,
    pub q: usize,
    pub k: usize,
    /// All later eliminated factors, in order.
    pub parents: Vec<Parent>,
    /// Panel rows taken by parents.
    pub parent_rows: usize,
    /// q + 1 offsets into `core_rows`.
    pub core_ptr: Vec<usize>,
    /// Core coordinates met by each level, ascending.
    pub core_rows: Vec<u32>,
    /// Rows of the tail.
    pub tail: usize,
}

impl Pattern {
    /// Core coordinates of a level.
    #[inline(always)]
    pub fn core(&self, level: usize) -> &[u32] {
        &self.core_rows[self.core_ptr[level]..self.core_ptr[level + 1]]
    }

    /// First panel row of a level, counted over all levels.
    #[inline(always)]
    pub fn start(&self, level: usize) -> usize {
        level * (self.parent_rows + self.tail) + self.core_ptr[level]
    }

    /// Number of panel rows of a level.
    #[inline(always)]
    pub fn rows(&self, level: usize) -> usize {
        self.parent_rows + self.tail + self.core_ptr[level + 1] - self.core_ptr[level]
    }

    /// Panel rows of all levels.
    pub fn total_rows(&self) -> usize {
        self.start(self.q)
    }

    /// True where levels meet so much of the core that dense products over whole panels are cheaper.
    pub fn meets_most_of_core(&self, core_dim: usize) -> bool {
        core_dim >= 16 && self.core_rows.len() as f64 > 0.3 * (self.q as f64) * (core_dim as f64)
    }
}

#[derive(Clone, Debug)]
pub struct Blocks {
    pub factors: Vec<Factor>,
    /// Eliminated factors, leading first.
    pub eliminated: Vec<Pattern>,
    /// Core factors (positions in `factors`) and the first core coordinate of each.
    pub core: Vec<(usize, usize)>,
    /// Number of core coordinates (random effects only).
    pub core_dim: usize,
    /// Pattern of the core's factor where it is kept sparse.
    pub core_pattern: Option<Arc<SparsePattern>>,
    /// Fixed effects plus one.
    pub tail: usize,
    /// For each term: its factor and its first column there.
    pub term_place: Vec<(usize, usize)>,
}

/// True when each level of `child` occurs with one level of `parent` only.
fn is_nested(child: &[i32], q_child: usize, parent: &[i32]) -> Result<bool, KernelError> {
    let mut seen = memory::filled(-1i32, &[q_child])?;
    Ok(child.iter().zip(parent).all(|(&c, &p)| {
        let slot = &mut seen[c as usize];
        if *slot < 0 {
            *slot = p;
        }
        *slot == p
    }))
}

/// Level of `parent` met by each level of `child`, which is nested in it. A level without rows gets 0.
fn parent_levels(child: &[i32], q_child: usize, parent: &[i32]) -> Result<Vec<u32>, KernelError> {
    let mut out = memory::filled(0u32, &[q_child])?;
    for (&c, &p) in child.iter().zip(parent) {
        out[c as usize] = p as u32;
    }
    Ok(out)
}

/// Rows by level of a factor, in their order.
#[derive(Clone, Debug, Default)]
pub struct Grouped {
    /// q + 1 offsets into `order`.
    pub ptr: Vec<usize>,
    pub order: Vec<u32>,
}

impl Grouped {
    pub fn new(codes: &[i32], q: usize) -> Result<Self, KernelError> {
        let mut ptr = memory::filled(0usize, &[q + 1])?;
        for &c in codes {
            ptr[c as usize + 1] += 1;
        }
        for j in 0..q {
            ptr[j + 1] += ptr[j];
        }
        let mut next = memory::copy(&ptr)?;
        let mut order = memory::filled(0u32, &[codes.len()])?;
        for (i, &c) in codes.iter().enumerate() {
            let slot = &mut next[c as usize];
            order[*slot] = i as u32;
            *slot += 1;
        }
        Ok(Self { ptr, order })
    }

    /// Rows of a level, ascending.
    pub fn rows(&self, level: usize) -> &[u32] {
        &self.order[self.ptr[level]..self.ptr[level + 1]]
    }

    /// The same without the rows for which `out` is true.
    pub fn without(&self, out: &[bool]) -> Result<Self, KernelError> {
        let mut left =
            Self { ptr: memory::room(&[self.ptr.len()])?, order: memory::room(&[self.order.len()])? };
        left.ptr.push(0);
        for level in 1..self.ptr.len() {
            left.order.extend(self.rows(level - 1).iter().filter(|&&i| !out[i as usize]));
            left.ptr.push(left.order.len());
        }
        Ok(left)
    }
}

impl Blocks {
    /// `sizes`: levels per factor; `codes`: level of each row, per factor; `terms`: factor and width of each term;
    /// `rank`: number of estimable fixed effects.
    pub fn new(
        sizes: &[usize],
        codes: &[&[i32]],
        terms: &[(usize, usize)],
        rank: usize,
    ) -> Result<Self, KernelError> {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by_key(|&f| std::cmp::Reverse(sizes[f]));
        let mut term_place = vec![(0, 0); terms.len()];
        let mut factors = Vec::with_capacity(order.len());
        for (position, &input) in order.iter().enumerate() {
            let mut k = 0;
            let mut mine = vec![];
            for (t, &(factor, width)) in terms.iter().enumerate() {
                if factor == input {
                    term_place[t] = (position, k);
                    mine.push((t, k));
                    k += width;
                }
            }
            factors.push(Factor { input, q: sizes[input], k, terms: mine });
        }
        let of = |f: usize| codes[factors[f].input];

        let mut chain = vec![0usize];
        let mut core = vec![];
        let mut core_dim = 0;
        for f in 1..factors.len() {
            let mut nested = true;
            for &e in &chain {
                nested = nested && is_nested(of(e), factors[e].q, of(f))?;
            }
            if nested {
                chain.push(f);
            } else {
                core.push((f, core_dim));
                core_dim += memory::entries(&[factors[f].q, factors[f].k])?;
            }
        }

        let tail = rank + 1;
        let mut eliminated: Vec<Pattern> = Vec::with_capacity(chain.len());
        for (e, &f) in chain.iter().enumerate() {
            let (q, k) = (factors[f].q, factors[f].k);
            let rows = Grouped::new(of(f), q)?;
            let mut core_ptr = memory::filled(0usize, &[q + 1])?;
            let mut core_rows: Vec<u32> = vec![];
            // rows of this level meet the core levels directly; those met through nested children are the same rows
            let mut met: Vec<u32> = vec![];
            for j in 0..q {
                watch::check()?;
                for &(g, offset) in &core {
                    let (codes_g, k_g) = (of(g), factors[g].k);
                    met.clear();
                    met.extend(rows.rows(j).iter().map(|&i| codes_g[i as usize] as u32));
                    met.sort_unstable();
                    met.dedup();
                    for &l in &met {
                        let start = offset + l as usize * k_g;
                        memory::grow(&mut core_rows, k_g)?;
                        core_rows.extend((start..start + k_g).map(|c| c as u32));
                    }
                }
                core_ptr[j + 1] = core_rows.len();
            }
            let mut parents = vec![];
            let mut first_row = 0;
            for (g, &h) in chain.iter().enumerate().skip(e + 1) {
                parents.push(Parent {
                    elim: g,
                    level: parent_levels(of(f), q, of(h))?,
                    core_map: vec![],
                    first_row,
                });
                first_row += factors[h].k;
            }
            eliminated.push(Pattern {
                factor: f,
                q,
                k,
                parents,
                parent_rows: first_row,
                core_ptr,
                core_rows,
                tail,
            });
        }
        for e in 0..eliminated.len() {
            for i in 0..eliminated[e].parents.len() {
                let parent = &eliminated[e].parents[i];
                let above = &eliminated[parent.elim];
                let mut map = memory::room(&[eliminated[e].core_rows.len()])?;
                for j in 0..eliminated[e].q {
                    let rows = above.core(parent.level[j] as usize);
                    // both lists ascend, and the parent's contains the child's
                    let mut at = 0;
                    for &c in eliminated[e].core(j) {
                        while at < rows.len() && rows[at] < c {
                            at += 1;
                        }
                        map.push(at as u32);
                    }
                }
                eliminated[e].parents[i].core_map = map;
            }
        }
        let mut out = Self { factors, eliminated, core, core_dim, core_pattern: None, tail, term_place };
        out.core_pattern = SparsePattern::choose(&out)?.map(Arc::new);
        Ok(out)
    }

    /// Memory of a problem and of the two factorizations and the inverse that a search holds at a time (the large parts), with
    /// `n_theta` parameters.
    pub fn bytes_of_an_evaluation(&self, n_theta: usize) -> Result<usize, KernelError> {
        let core = match &self.core_pattern {
            Some(pattern) => pattern.entries(),
            None => memory::entries(&[self.core_dim, self.core_dim])?,
        };
        let mut total = memory::entries(&[4, core])?;
        for e in &self.eliminated {
            // crossproducts, two factors (what later ones are made from is kept), an inverse
            let copies = if e.factor == self.eliminated[0].factor { 4 } else { 6 };
            let of_level = memory::entries(&[e.total_rows() + e.q * e.k, e.k])?;
            total = total.saturating_add(memory::entries(&[copies, of_level])?);
        }
        // two points with information and Hessian, the eigenvectors of one, derivatives of the fixed effects' covariance
        total = total.saturating_add(memory::entries(&[6, n_theta, n_theta])?);
        total = total.saturating_add(memory::entries(&[n_theta, self.tail, self.tail])?);
        memory::entries(&[total, size_of::<f64>()])
    }

    /// Core factor (position in `factors`) and first core coordinate of each core level, in core order.
    pub fn core_levels(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.core.iter().flat_map(|&(f, offset)| {
            let Factor { q, k, .. } = self.factors[f];
            (0..q).map(move |l| (f, offset + l * k))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nested_chain_is_eliminated_and_crossed_factor_stays() {
        let child = [0, 0, 1, 1, 2, 2, 3, 3];
        let school = [0, 0, 0, 0, 1, 1, 1, 1];
        let item = [0, 1, 0, 1, 0, 1, 0, 1];
        let b = Blocks::new(&[4, 2, 2], &[&child, &school, &item], &[(0, 2), (1, 1), (2, 1)], 1).unwrap();
        assert_eq!(b.eliminated.len(), 2);
        assert_eq!(b.core, vec![(2, 0)]);
        assert_eq!(b.eliminated[0].parents[0].level, vec![0, 0, 1, 1]);
        assert_eq!(b.eliminated[0].core(2), &[0, 1]);
        assert_eq!(b.eliminated[0].rows(0), 1 + 2 + 2);
    }
}
