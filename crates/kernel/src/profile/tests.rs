use super::*;
use crate::newton::Control;
use crate::numbers::Numbers;
use crate::optimize::optimize;
use crate::problem::{FactorInput, Input, TermInput};

const Z95: f64 = 1.959963984540054;
const Z99: f64 = 2.5758293035489004;

/// A design with effects as large as the error: levels per factor, factor and width of each term (1, x, x^2, ...).
fn simulated(n: usize, levels: &[usize], terms: &[(usize, usize)], p: usize, seed: u64) -> Problem {
    let mut numbers = Numbers(seed);
    let x = numbers.column(n);
    let powers: Vec<Vec<f64>> = (0..4).map(|e| x.iter().map(|v| (3.0 * v).powi(e)).collect()).collect();
    let mut columns = vec![powers[0].clone(), powers[1].clone()];
    columns.extend((2..p.max(2)).map(|_| numbers.column(n)));
    let weights: Vec<f64> = numbers.column(n).iter().map(|v| 1.5 + v).collect();
    let codes: Vec<Vec<i32>> = levels
        .iter()
        .map(|&q| {
            let drawn = numbers.column(n);
            (0..n)
                .map(|i| if i < q { i as i32 } else { ((0.5 + 0.5 * drawn[i]) * q as f64) as i32 })
                .collect()
        })
        .collect();
    let mut y: Vec<f64> = numbers.column(n).iter().zip(&x).map(|(e, x)| 5.0 + x + 1.5 * e).collect();
    for &(factor, k) in terms {
        for z in &powers[..k] {
            let effects = numbers.column(levels[factor]);
            for i in 0..n {
                y[i] += z[i] * effects[codes[factor][i] as usize];
            }
        }
    }
    let input = Input {
        y: &y,
        x: columns[..p].iter().map(Vec::as_slice).collect(),
        weights: Some(&weights),
        factors: codes.iter().zip(levels).map(|(codes, &n_levels)| FactorInput { codes, n_levels }).collect(),
        terms: terms
            .iter()
            .map(|&(factor, k)| TermInput {
                factor,
                columns: powers[..k].iter().map(Vec::as_slice).collect(),
            })
            .collect(),
    };
    Problem::new(&input).unwrap()
}

fn estimate_of(problem: &Problem) -> Vec<f64> {
    optimize(problem, false, None, &Control::default()).unwrap().point.theta
}

fn every_parameter(problem: &Problem) -> Vec<Parameter> {
    let mut out = vec![Parameter::Sigma];
    for (term, &k) in problem.widths.iter().enumerate() {
        for column in 0..k {
            out.push(Parameter::Sd { term, column });
            out.extend((column + 1..k).map(|second| Parameter::Correlation { term, first: column, second }));
        }
    }
    out.extend((0..problem.n_fixed()).map(|index| Parameter::Coefficient { index }));
    out
}

fn systems(problem: &Problem, theta: &[f64]) -> Vec<Coordinates> {
    let objective = Objective::new(problem, false);
    let point = objective.point(theta).unwrap();
    let estimate = Estimate {
        theta: theta.to_vec(),
        log_sigma: 0.5 * (point.factor.pwrss / problem.n as f64).ln(),
        beta: point.modes.beta.clone(),
        fixed_covariance: fixed_covariance(problem, &point.factor).unwrap(),
    };
    every_parameter(problem).into_iter().map(|p| Coordinates::new(problem, &estimate, p).unwrap()).collect()
}

fn cases() -> Vec<Problem> {
    vec![
        simulated(200, &[25], &[(0, 3)], 2, 1),
        simulated(300, &[20, 12], &[(0, 2), (1, 1)], 3, 2),
        simulated(150, &[20, 8], &[(0, 1), (1, 2), (0, 1)], 1, 3),
    ]
}

#[test]
fn gradients_are_differences_of_the_criterion() {
    for problem in cases() {
        let objective = Objective::new(&problem, false);
        for system in systems(&problem, &estimate_of(&problem)) {
            let mut numbers = Numbers(5);
            let x: Vec<f64> = system.start.iter().map(|v| v + 0.1 * numbers.next()).collect();
            let here = Evaluation::new(&objective, &system, &x).unwrap();
            for i in 0..x.len() {
                let value = |steps: f64| {
                    let mut moved = x.clone();
                    moved[i] += steps * 1e-3;
                    Evaluation::new(&objective, &system, &moved).unwrap().value
                };
                let near = 8.0 * (value(1.0) - value(-1.0));
                let wanted = (near - (value(2.0) - value(-2.0))) / 12e-3;
                let size = 1.0 + here.gradient.iter().fold(0.0f64, |a, g| a.max(g.abs()));
                assert!((here.gradient[i] - wanted).abs() < 1e-7 * size, "{i} {} {wanted}", here.gradient[i]);
            }
        }
    }
}

#[test]
fn the_hessian_at_the_estimate_is_exact() {
    for problem in cases() {
        let objective = Objective::new(&problem, false);
        let theta = estimate_of(&problem);
        let missing = missing_curvature(&objective, &objective.point(&theta).unwrap()).unwrap().unwrap();
        for system in systems(&problem, &theta) {
            let x = &system.start;
            let size = x.len();
            let model = Evaluation::new(&objective, &system, x).unwrap().hessian;
            let carried = carry(&system, &theta, &missing);
            let by_differences = differences(&objective, &system, &Watch::default()).unwrap();
            let largest = model.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            for i in 0..size {
                let gradient = |steps: f64| {
                    let mut moved = x.clone();
                    moved[i] += steps * 1e-3;
                    Evaluation::new(&objective, &system, &moved).unwrap().gradient
                };
                let (a1, a2, b1, b2) = (gradient(1.0), gradient(2.0), gradient(-1.0), gradient(-2.0));
                for r in 0..size {
                    let wanted = (8.0 * (a1[r] - b1[r]) - (a2[r] - b2[r])) / 12e-3;
                    let found = model[r + i * size] + carried[r + i * size];
                    assert!((found - wanted).abs() < 1e-7 * largest, "{r} {i} {found} {wanted}");
                    let other = model[r + i * size] + by_differences[r + i * size];
                    assert!((other - wanted).abs() < 1e-6 * largest, "{r} {i} {other} {wanted}");
                }
            }
        }
    }
}

/// Smallest value of a unimodal function on an interval.
fn smallest(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let share = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..200 {
        let (a, b) = (high - share * (high - low), low + share * (high - low));
        if f(a) < f(b) { high = b } else { low = a }
    }
    f(0.5 * (low + high))
}

/// Balanced one-way data: with lambda = sigma^2 + r tau^2 the criterion is a (r - 1) log sigma^2 + within / sigma^2
/// + a log lambda + (between + n (mean - mu)^2) / lambda + n log 2 pi.
#[test]
fn balanced_one_way_profiles_have_their_closed_forms() {
    let (a, r) = (12usize, 5usize);
    let n = (a * r) as f64;
    let mut numbers = Numbers(11);
    let effects = numbers.column(a);
    let y: Vec<f64> = (0..a * r).map(|i| 40.0 + 2.0 * effects[i / r] + 1.5 * numbers.next()).collect();
    let codes: Vec<i32> = (0..a * r).map(|i| (i / r) as i32).collect();
    let one = vec![1.0; a * r];
    let input = Input {
        y: &y,
        x: vec![&one],
        weights: None,
        factors: vec![FactorInput { codes: &codes, n_levels: a }],
        terms: vec![TermInput { factor: 0, columns: vec![&one] }],
    };
    let problem = Problem::new(&input).unwrap();
    let mean = y.iter().sum::<f64>() / n;
    let means: Vec<f64> = y.chunks_exact(r).map(|c| c.iter().sum::<f64>() / r as f64).collect();
    let between: f64 = means.iter().map(|m| r as f64 * (m - mean).powi(2)).sum();
    let within: f64 = y.iter().enumerate().map(|(i, v)| (v - means[i / r]).powi(2)).sum();
    let within_df = n - a as f64;
    let criterion = |s2: f64, lambda: f64, mu: f64| {
        within_df * s2.ln()
            + within / s2
            + a as f64 * lambda.ln()
            + (between + n * (mean - mu).powi(2)) / lambda
    };
    let best = criterion(within / within_df, between / a as f64, mean);
    let parameters =
        [Parameter::Sd { term: 0, column: 0 }, Parameter::Sigma, Parameter::Coefficient { index: 0 }];
    let theta = estimate_of(&problem);
    let curves = profile(&problem, &theta, &parameters, &[Z95, Z99], Some(0.5), &Watch::default()).unwrap();
    let sigma = |s: f64| criterion(s * s, (between / a as f64).max(s * s), mean);
    let sd = |tau: f64| {
        smallest(-6.0, 6.0, |log_s2| criterion(log_s2.exp(), log_s2.exp() + r as f64 * tau * tau, mean))
    };
    let coefficient =
        |mu: f64| criterion(within / within_df, (between + n * (mean - mu).powi(2)) / a as f64, mu);
    let forms: [&dyn Fn(f64) -> f64; 3] = [&sd, &sigma, &coefficient];
    for (curve, form) in curves.iter().zip(forms) {
        assert!((curve.zeta[0] + Z99).abs() < 1e-9 && (curve.zeta[curve.zeta.len() - 1] - Z99).abs() < 1e-9);
        for (i, (&value, &zeta)) in curve.values.iter().zip(&curve.zeta).enumerate() {
            let wanted = form(value) - best;
            assert!((zeta * zeta - wanted).abs() < 2e-8 * (1.0 + wanted), "{value} {} {wanted}", zeta * zeta);
            let h = 1e-4 * value;
            let root = |v: f64| (form(v) - best).max(0.0).sqrt().copysign(v - curve.estimate);
            if zeta != 0.0 {
                let slope = (root(value + h) - root(value - h)) / (2.0 * h);
                assert!((curve.slope[i] - slope).abs() < 1e-5 * slope, "{i} {} {slope}", curve.slope[i]);
            }
        }
    }
}

/// An sd of zero is the model without the term; its profile stops there.
#[test]
fn a_profile_of_zero_variance_stops_at_zero() {
    let problem = simulated(300, &[20, 12], &[(0, 1), (1, 1)], 2, 7);
    let theta = estimate_of(&problem);
    let far = [6.0];
    let parameters = [Parameter::Sd { term: 1, column: 0 }];
    let curve = &profile(&problem, &theta, &parameters, &far, None, &Watch::default()).unwrap()[0];
    let objective = Objective::new(&problem, false);
    let best = objective.value(&theta).unwrap();
    let without = smallest(0.0, 5.0, |t| objective.value(&[t, 0.0]).unwrap());
    assert_eq!(curve.values[0], 0.0);
    assert!((curve.zeta[0].powi(2) - (without - best)).abs() < 1e-7);
}

/// A point of a correlation's profile is the minimum with the correlation held, found by coordinates without derivatives.
#[test]
fn a_correlation_is_held_while_all_else_is_minimized() {
    let problem = simulated(200, &[25], &[(0, 2)], 2, 9);
    let theta = estimate_of(&problem);
    let objective = Objective::new(&problem, false);
    let best = objective.value(&theta).unwrap();
    let parameters = [Parameter::Correlation { term: 0, first: 0, second: 1 }];
    let curve = &profile(&problem, &theta, &parameters, &[1.0], None, &Watch::default()).unwrap()[0];
    for end in [0, 2] {
        let rho = curve.values[end];
        let held = |a: f64, b: f64| {
            let root = [a, b * rho, b * (1.0 - rho * rho).sqrt()];
            let star = covariance::theta_to_scaled(&problem.widths, &problem.term_scale, &root);
            objective.value(&star).unwrap()
        };
        let least = smallest(0.05, 3.0, |a| smallest(0.05, 3.0, |b| held(a, b)));
        assert!((least - best - 1.0).abs() < 1e-7, "{least} {best}");
    }
}

#[test]
fn threads_do_not_change_the_numbers() {
    let problem = simulated(3000, &[250, 30], &[(0, 2), (1, 1)], 2, 4);
    assert!(worth_threads(&problem));
    let theta = estimate_of(&problem);
    let parameters = every_parameter(&problem);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| profile(&problem, &theta, &parameters, &[Z95], Some(0.5), &Watch::default()).unwrap())
    };
    for (one, many) in run(1).iter().zip(run(4)) {
        assert_eq!(one.values, many.values);
        assert_eq!(one.zeta, many.zeta);
        assert_eq!(one.slope, many.slope);
    }
}

#[test]
fn a_profile_that_is_stopped_says_so() {
    let problem = simulated(100, &[10], &[(0, 1)], 1, 6);
    let watch = Watch::default();
    watch.stop();
    let theta = estimate_of(&problem);
    let found = profile(&problem, &theta, &[Parameter::Sigma], &[Z95], None, &watch);
    assert!(matches!(found, Err(KernelError::Profile { reason, .. }) if *reason == KernelError::Interrupted));
}

#[test]
fn a_start_off_the_optimum_and_unknown_parameters_are_refused() {
    let problem = simulated(100, &[10], &[(0, 1)], 1, 6);
    let mut theta = estimate_of(&problem);
    theta[0] *= 3.0;
    let at = |parameter| profile(&problem, &theta, &[parameter], &[Z95], None, &Watch::default());
    let found = at(Parameter::Sd { term: 0, column: 0 });
    assert!(
        matches!(&found, Err(KernelError::Profile { reason, .. }) if matches!(**reason, KernelError::BelowFit { .. })),
        "{found:?}"
    );
    for parameter in [
        Parameter::Sd { term: 1, column: 0 },
        Parameter::Correlation { term: 0, first: 0, second: 0 },
        Parameter::Coefficient { index: 1 },
    ] {
        assert_eq!(at(parameter).err(), Some(KernelError::UnknownParameter { index: 0 }));
    }
}

#[test]
fn stops_and_spacings_that_no_walk_can_take_are_refused() {
    let problem = simulated(100, &[10], &[(0, 1)], 1, 6);
    let theta = estimate_of(&problem);
    let run = |parameters: &[Parameter], stop: f64, spacing: f64| {
        profile(&problem, &theta, parameters, &[stop], Some(spacing), &Watch::default())
    };
    for (stop, spacing) in [(f64::NAN, 0.5), (f64::INFINITY, 0.5), (-1.0, 0.5), (Z95, 0.0), (Z95, f64::NAN)] {
        let found = run(&[Parameter::Sigma], stop, spacing);
        assert!(matches!(found, Err(KernelError::OutOfRange { .. })), "{stop} {spacing} {found:?}");
    }
    assert!(run(&[], Z95, 0.5).unwrap().is_empty());
}
