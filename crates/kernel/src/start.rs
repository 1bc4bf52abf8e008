//! Where the search starts: moment estimates of each factor's Sigma*, factor after factor.
//!
//! For one factor with block-diagonal H = Z'V^-1 Z (V without the factor) and h = Z'V^-1 y, levels are independent with
//! Var(h_l) = s2 (H_l + H_l Sigma H_l). Two rounds of Fisher scoring on that model cost a fraction of one evaluation and
//! are exact for balanced one-way data.

use crate::covariance;
use crate::dense;
use crate::error::{KernelError, at_these_parameters};
use crate::factor::Factorization;
use crate::modes::shrink;
use crate::newton::Objective;
use crate::problem::Problem;

/// Above this many columns only the diagonal of Sigma* is estimated.
const FULL_WIDTH: usize = 6;
const ROUNDS: usize = 2;
/// Smallest variance to start from, in standard errors of the moment estimate.
const FLOOR_ERRORS: f64 = 0.3;

/// Starting values in kernel coordinates, best first: every term by itself and, where terms share a factor, all of that factor's
/// columns as correlated ones, of which each term then keeps its own block. Only the latter know a large variance that the
/// terms' own columns hide: that of an intercept far from the data.
pub fn moment_starts(problem: &Problem, reml: bool) -> Result<Vec<Vec<f64>>, KernelError> {
    let shared = problem.blocks.factors.iter().any(|f| f.terms.len() > 1);
    let groupings = if shared { &[Grouping::Terms, Grouping::Factors][..] } else { &[Grouping::Terms] };
    let objective = Objective::new(problem, reml);
    let mut starts = vec![];
    for &grouping in groupings {
        if let Some(theta) = at_these_parameters(moments(problem, grouping))? {
            let value = if shared { at_these_parameters(objective.value(&theta))? } else { None };
            starts.push((value.unwrap_or(f64::INFINITY), theta));
        }
    }
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(starts.into_iter().map(|s| s.1).collect())
}

/// The best of the [`moment_starts`], or the plain one.
pub fn moment_start(problem: &Problem, reml: bool) -> Result<Vec<f64>, KernelError> {
    Ok(moment_starts(problem, reml)?.into_iter().next().unwrap_or_else(|| plain_start(problem)))
}

/// T = I / 2 for every term: the start that needs nothing of the data.
pub fn plain_start(problem: &Problem) -> Vec<f64> {
    covariance::coordinates(&problem.widths).iter().map(|c| if c.row == c.col { 0.5 } else { 0.0 }).collect()
}

/// Whose Sigma* is estimated at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Grouping {
    Terms,
    Factors,
}

fn moments(problem: &Problem, grouping: Grouping) -> Result<Vec<f64>, KernelError> {
    let blocks = &problem.blocks;
    let p = problem.n_fixed();
    let mut roots: Vec<Vec<f64>> = problem.widths.iter().map(|k| vec![0.0; k * k]).collect();

    let leading = &blocks.eliminated[0];
    let (information, score) = leading_moments(problem);
    let k = leading.k;
    let spent: usize = (0..leading.q)
        .map(|j| (0..k).filter(|&c| problem.panels[0].diag[j * k * k + c + c * k] != 0.0).count())
        .sum();
    let within = problem.tail[p + p * blocks.tail];
    let s2 = if problem.n > spent && within > 0.0 { within / (problem.n - spent) as f64 } else { 0.5 };
    let set = |f: usize, information: &[f64], score: &[f64], s2: f64, roots: &mut [Vec<f64>]| {
        let columns = Columns { factor: f, information, score, s2 };
        match grouping {
            Grouping::Terms => columns.each_term(problem, roots),
            Grouping::Factors => columns.all_terms(problem, roots),
        }
    };
    set(leading.factor, &information, &score, s2, &mut roots)?;

    if blocks.factors.len() > 1 {
        let factor = Factorization::new(problem, &roots)?;
        let s2 = factor.pwrss / problem.n as f64;
        for (e, pattern) in blocks.eliminated.iter().enumerate().skip(1) {
            let k = pattern.k;
            let schur = &factor.later[e - 1].schur;
            let mut score = vec![0.0; pattern.q * k];
            for j in 0..pattern.q {
                let row = pattern.start(j) + pattern.rows(j) - 1;
                score[j * k..(j + 1) * k].copy_from_slice(&schur.panel[row * k..(row + 1) * k]);
            }
            set(pattern.factor, &schur.diag, &score, s2, &mut roots)?;
        }
        let response = &factor.border_schur[p * blocks.core_dim..];
        let mut at = 0;
        for &(f, offset) in &blocks.core {
            let (q, k) = (blocks.factors[f].q, blocks.factors[f].k);
            let information = &factor.core_schur[at..at + q * k * k];
            at += q * k * k;
            set(f, information, &response[offset..offset + q * k], s2, &mut roots)?;
        }
    }
    Ok(covariance::pack(&problem.widths, &roots))
}

/// Z_l'W Z_l and Z_l'W y of the leading levels.
pub fn leading_moments(problem: &Problem) -> (Vec<f64>, Vec<f64>) {
    let leading = &problem.blocks.eliminated[0];
    let k = leading.k;
    let base = &problem.panels[0];
    let mut information = vec![0.0; leading.q * k * k];
    let mut score = vec![0.0; leading.q * k];
    for j in 0..leading.q {
        let r = &base.diag[j * k * k..(j + 1) * k * k];
        dense::multiply_transposed_small(k, k, k, r, r, &mut information[j * k * k..(j + 1) * k * k]);
        let row = leading.start(j) + leading.rows(j) - 1;
        dense::matvec_transposed_small(
            k,
            r,
            &base.panel[row * k..(row + 1) * k],
            &mut score[j * k..(j + 1) * k],
        );
    }
    (information, score)
}

/// What the moments of one factor say: per level H (k x k over all its columns) and h, and the error variance.
struct Columns<'a> {
    factor: usize,
    information: &'a [f64],
    score: &'a [f64],
    s2: f64,
}

impl Columns<'_> {
    fn levels(&self, kf: usize) -> impl Iterator<Item = (&[f64], &[f64])> {
        self.information.chunks_exact(kf * kf).zip(self.score.chunks_exact(kf))
    }

    /// Writes the starting T of every term, each estimated by itself.
    fn each_term(&self, problem: &Problem, roots: &mut [Vec<f64>]) -> Result<(), KernelError> {
        let info = &problem.blocks.factors[self.factor];
        let kf = info.k;
        for &(term, offset) in &info.terms {
            let k = problem.widths[term];
            let levels = self.levels(kf).map(|(h, e)| {
                let block: Vec<f64> = (0..k * k).map(|i| h[offset + i % k + (offset + i / k) * kf]).collect();
                (block, e[offset..offset + k].to_vec())
            });
            let levels: Vec<(Vec<f64>, Vec<f64>)> = levels.collect();
            let root = at_these_parameters(scoring(k, &levels, self.s2))?;
            roots[term] = root.unwrap_or_else(|| dense::identity(k, 0.5));
        }
        Ok(())
    }

    /// Writes each term's block of the covariance that all columns of the factor have as correlated ones, estimated in columns
    /// orthonormal over the levels.
    fn all_terms(&self, problem: &Problem, roots: &mut [Vec<f64>]) -> Result<(), KernelError> {
        let info = &problem.blocks.factors[self.factor];
        let kf = info.k;
        if info.terms.len() == 1 {
            return self.each_term(problem, roots);
        }
        let joint = joint_scale(problem.n, kf, self.information)?;
        let levels: Vec<(Vec<f64>, Vec<f64>)> = self
            .levels(kf)
            .map(|(h, e)| {
                let mut e = e.to_vec();
                dense::forward_small(kf, &joint, &mut e);
                (covariance::congruence_by_inverse(kf, &joint, h), e)
            })
            .collect();
        let mut root = scoring(kf, &levels, self.s2)?;
        for column in root.chunks_exact_mut(kf) {
            dense::backward_small(kf, &joint, column);
        }
        for &(term, offset) in &info.terms {
            let k = problem.widths[term];
            let rows: Vec<f64> = (0..k * kf).map(|i| root[offset + i % k + (i / k) * kf]).collect();
            roots[term] = covariance::lower_root(k, kf, &rows);
        }
        Ok(())
    }
}

/// L with L L' = sum of H / n: what makes the columns of all terms of a factor orthonormal, as `scaling.rs` does for one term.
pub fn joint_scale(n: usize, k: usize, information: &[f64]) -> Result<Vec<f64>, KernelError> {
    let mut sum = vec![0.0; k * k];
    for h in information.chunks_exact(k * k) {
        dense::axpy(1.0 / n as f64, h, &mut sum);
    }
    dense::cholesky_small(k, &mut sum)?;
    Ok(sum)
}

/// Fisher scoring for Sigma with Var(h_l) = s2 (H_l + H_l Sigma H_l); returns a nonsingular root.
fn scoring(k: usize, levels: &[(Vec<f64>, Vec<f64>)], s2: f64) -> Result<Vec<f64>, KernelError> {
    let pairs: Vec<(usize, usize)> = if k <= FULL_WIDTH {
        (0..k).flat_map(|c| (c..k).map(move |r| (r, c))).collect()
    } else {
        (0..k).map(|i| (i, i)).collect()
    };
    let m = pairs.len();
    let mut sigma = dense::identity(k, 0.25);
    let mut root = dense::identity(k, 0.5);
    for _ in 0..ROUNDS {
        let mut a = vec![0.0; m * m];
        let mut rhs = vec![0.0; m];
        let mut b = vec![0.0; k * k];
        for (h, score) in levels {
            // F = (I + H Sigma)^-1, B = F H, e = F h, E[e e'] = s2 (F H F' + B Sigma B)
            b.copy_from_slice(h);
            shrink(k, h, &sigma, &mut b, k)?;
            let mut e = score.clone();
            shrink(k, h, &sigma, &mut e, 1)?;
            // F H F' = B - B Sigma0 B
            let mut bs = vec![0.0; k * k];
            let mut noise = vec![0.0; k * k];
            dense::multiply_small(k, k, k, &b, &sigma, &mut bs);
            dense::multiply_small(k, k, k, &bs, &b, &mut noise);
            for i in 0..k * k {
                noise[i] = b[i] - noise[i];
            }
            for (i, &(r, c)) in pairs.iter().enumerate() {
                let weight = if r == c { 1.0 } else { 2.0 };
                rhs[i] += weight * (e[r] * e[c] / s2 - noise[r + c * k]);
                for (l, &(s, t)) in pairs.iter().enumerate() {
                    let value = if s == t {
                        b[r + s * k] * b[c + t * k]
                    } else {
                        b[r + s * k] * b[c + t * k] + b[r + t * k] * b[c + s * k]
                    };
                    a[i + l * m] += weight * value;
                }
            }
        }
        let spread: Vec<f64> = pairs
            .iter()
            .enumerate()
            .filter(|(_, (r, c))| r == c)
            .map(|(i, _)| (2.0 / a[i + i * m].max(f64::MIN_POSITIVE)).sqrt())
            .collect();
        let solution = dense::least_norm_solution(m, &a, &rhs)?;
        let mut estimate = vec![0.0; k * k];
        for (v, &(r, c)) in solution.iter().zip(&pairs) {
            estimate[r + c * k] = *v;
            estimate[c + r * k] = *v;
        }
        // lift eigenvalues to a fraction of their standard error, in units where those errors are one
        let unit: Vec<f64> = spread.iter().map(|s| (FLOOR_ERRORS * s).sqrt()).collect();
        let scaled: Vec<f64> = (0..k * k).map(|i| estimate[i] / (unit[i % k] * unit[i / k])).collect();
        if scaled.iter().any(|v| !v.is_finite()) {
            return Err(KernelError::NotPositiveDefinite { index: 0 });
        }
        let (values, vectors) = dense::symmetric_eigen(k, &scaled)?;
        let mut half = vec![0.0; k * k];
        for c in 0..k {
            let size = values[c].max(1.0).sqrt();
            for i in 0..k {
                half[i + c * k] = unit[i] * vectors[i + c * k] * size;
            }
        }
        root = covariance::lower_root(k, k, &half);
        sigma = covariance::product(k, &root);
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scoring_is_the_anova_estimate_for_balanced_one_way_data() {
        // 6 levels of 5 rows: H = 5, h = 5 * mean; E mean^2 = s2 (Sigma + 1/5)
        let means = [2.0, -1.0, 3.0, -4.0, 1.0, -1.0];
        let levels: Vec<_> = means.iter().map(|m| (vec![5.0], vec![5.0 * m])).collect();
        let s2 = 1.7;
        let expected = means.iter().map(|m| m * m).sum::<f64>() / 6.0 / s2 - 0.2;
        let root = scoring(1, &levels, s2).unwrap_or_default();
        assert!((root[0] * root[0] - expected).abs() < 1e-12);
    }
}
