//! The walk along one parameter: psi moves, the other coordinates follow the ridge by Newton's method.
//!
//! D(psi) = min over phi of d(psi, phi), zeta = sign(psi - estimate) sqrt(D - min D) (Bates & Watts 1988, chapter 6). By the
//! envelope theorem dD/dpsi is d's partial derivative at the inner optimum. Near it both are read before phi is there, from the
//! quadratic model: D = d - g'H^-1 g / 2, dD/dpsi = d_psi - H_psi,phi H^-1 g; so psi and phi move in one step (in the manner of
//! Venzon & Moolgavkar 1988), and psi waits only where phi is far off.

use crate::dense;
use crate::error::KernelError;
use crate::newton::{Correction, Objective, Spectrum, noise};
use crate::profile::coordinates::Coordinates;
use crate::profile::evaluation::Evaluation;
use crate::watch::Watch;

/// phi has arrived when its Newton decrement (criterion units) is below this; D is then good to a fraction of it.
const SETTLED: f64 = 1e-8;
/// psi waits while the decrement is above this.
const UNSETTLED: f64 = 0.05;
/// A root is read off the slope from this close (zeta units): the error is of the order of its square.
const CLOSE: f64 = 3e-5;
/// The same as a share of the way to the estimate and to the bound, near which zeta is quadratic.
const NEARBY: f64 = 1e-3;
/// Zeta is not told apart from its target at this distance.
const SAME: f64 = 1e-9;
/// How often a bracket without the root is given up.
const TRIES: usize = 2;
/// Joint steps of psi and phi towards one goal; after them psi waits until phi has settled.
const JOINT_STEPS: usize = 12;
const MOST_STEPS: usize = 300;
/// Length (criterion units, half s'Hs) up to which a step's change of gradient tells about the Hessian at its end.
const SHORT: f64 = 0.02;
/// A criterion this far below the fit's says that the fit is not the optimum.
pub const BELOW_FIT: f64 = 1e-5;
/// Size of a column of T that counts as near zero, and of the step that leaves zero.
const NEAR_ZERO: f64 = 1e-3;
const LEAP: f64 = 0.2;
/// Smallest gain for which zero is left.
const GAIN: f64 = 1e-9;
/// Standard deviation of a correlation's effect below which it counts as on its way to zero.
const VANISHING: f64 = 1e-2;
/// Smallest curvature of D at the estimate, relative to that of d.
const FLAT: f64 = 1e-6;

/// A place of the walk.
#[derive(Clone)]
struct Place {
    x: Vec<f64>,
    at: Evaluation,
}

/// A point of the profile in the walk's coordinate.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub psi: f64,
    pub zeta: f64,
    /// d zeta / d psi.
    pub rate: f64,
}

/// Where a walk is to go: to a value of psi, or of zeta.
#[derive(Clone, Copy)]
enum Goal {
    Psi(f64),
    Zeta(f64),
}

/// The quadratic model at a place.
struct Model {
    hessian: Vec<f64>,
    spectrum: Spectrum,
    /// Gradient over phi and the cross derivatives with psi, along the eigenvectors.
    along: Vec<f64>,
    cross: Vec<f64>,
    decrement: f64,
}

/// What the model says about the profile at a place.
struct Reading {
    zeta: f64,
    rate: f64,
    /// Of zeta.
    error: f64,
}

#[derive(Clone)]
pub struct Walk<'a> {
    objective: &'a Objective<'a>,
    coordinates: &'a Coordinates,
    watch: &'a Watch,
    /// Coordinates of phi that may move.
    free: Vec<bool>,
    /// A criterion reached whatever psi is.
    ceiling: f64,
    minimum: f64,
    here: Place,
    correction: Correction,
    radius: f64,
}

impl<'a> Walk<'a> {
    /// Starts at the estimate. `missing`: exact Hessian less the model's there, where it is known.
    pub fn new(
        objective: &'a Objective<'a>,
        coordinates: &'a Coordinates,
        missing: Option<Vec<f64>>,
        watch: &'a Watch,
    ) -> Result<Self, KernelError> {
        let x = coordinates.start.clone();
        let size = x.len();
        let at = Evaluation::new(objective, coordinates, &x)?;
        Ok(Self {
            objective,
            coordinates,
            watch,
            free: (0..size).map(|i| i != coordinates.held).collect(),
            ceiling: f64::INFINITY,
            minimum: at.value,
            here: Place { x, at },
            correction: missing.map_or_else(|| Correction::new(size), Correction::known),
            radius: 1.0,
        })
    }

    pub fn with_ceiling(mut self, ceiling: f64) -> Self {
        self.ceiling = ceiling;
        self
    }

    /// The estimate with the slope of zeta there.
    pub fn estimate(&mut self) -> Result<Mark, KernelError> {
        let model = self.model()?;
        let held = self.coordinates.held;
        let own = model.hessian[held + held * self.free.len()];
        let curvature = own - model.spectrum.product(&model.cross, &model.cross);
        let rate = (curvature.max(FLAT * own.abs()) / 2.0).sqrt();
        Ok(Mark { psi: self.here.x[held], zeta: 0.0, rate })
    }

    /// The criterion with the turned term's first effect held at zero, from the estimate.
    pub fn without_first(mut self, start: Vec<f64>, zero: &[usize]) -> Result<f64, KernelError> {
        for &i in zero {
            self.free[i] = false;
        }
        let psi = start[self.coordinates.held];
        self.correction = Correction::new(start.len());
        let at = self.evaluate(&start)?.ok_or(KernelError::NotPositiveDefinite { index: 0 })?;
        self.here = Place { x: start, at };
        self.go(Goal::Psi(psi), true)?;
        Ok(self.here.at.value)
    }

    /// Goes to psi.
    pub fn settle(&mut self, psi: f64) -> Result<Mark, KernelError> {
        self.go(Goal::Psi(psi), true)
    }

    /// Goes to where the profile has this zeta, or to the bound if it is not reached.
    pub fn seek(&mut self, zeta: f64) -> Result<Mark, KernelError> {
        self.go(Goal::Zeta(zeta), true)
    }

    /// None where a step has gone so far that the criterion cannot be evaluated.
    fn evaluate(&self, x: &[f64]) -> Result<Option<Evaluation>, KernelError> {
        self.watch.check()?;
        match Evaluation::new(self.objective, self.coordinates, x) {
            Ok(at) if at.value.is_finite() && at.gradient.iter().all(|g| g.is_finite()) => Ok(Some(at)),
            Ok(_)
            | Err(
                KernelError::NotPositiveDefinite { .. }
                | KernelError::Parameter { .. }
                | KernelError::Decomposition,
            ) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn model(&mut self) -> Result<Model, KernelError> {
        loop {
            let size = self.free.len();
            let held = self.coordinates.held;
            let hessian = self.correction.corrected(&self.here.at.hessian);
            let spectrum = Spectrum::new(&hessian, &self.here.at.units, &self.free)?;
            let along = spectrum.along(&self.here.at.gradient);
            let decrement = spectrum.decrement(&along);
            if !decrement.is_finite() && self.correction.in_use {
                self.correction = Correction::new(size);
                continue;
            }
            let cross = spectrum.along(&hessian[held * size..(held + 1) * size]);
            return Ok(Model { hessian, spectrum, along, cross, decrement });
        }
    }

    fn estimate_psi(&self) -> f64 {
        self.coordinates.start[self.coordinates.held]
    }

    fn read(&self, model: &Model) -> Result<Reading, KernelError> {
        let held = self.coordinates.held;
        let (mut value, mut slope) = (self.here.at.value, self.here.at.gradient[held]);
        let decrement = if model.decrement.is_finite() { model.decrement } else { 0.0 };
        value -= decrement;
        slope -= model.spectrum.product(&model.cross, &model.along);
        if value >= self.ceiling {
            (value, slope) = (self.ceiling, 0.0);
        }
        let excess = value - self.minimum;
        if excess < -BELOW_FIT && decrement <= SETTLED {
            return Err(KernelError::BelowFit { gain: -excess });
        }
        let psi = self.here.x[held];
        let zeta = excess.max(0.0).sqrt().copysign(psi - self.estimate_psi());
        let rate = if zeta == 0.0 { 0.0 } else { slope / (2.0 * zeta) };
        Ok(Reading { zeta, rate, error: decrement / (2.0 * zeta.abs()).max(f64::MIN_POSITIVE) })
    }

    /// A correlation's effect on its way to zero variance, from a criterion above that of the model without it.
    fn is_vanishing(&self) -> bool {
        let Some(logarithms) = self.coordinates.logarithms() else { return false };
        let (x, at) = (&self.here.x, &self.here.at);
        at.value >= self.ceiling && logarithms.iter().any(|&i| x[i] < VANISHING.ln() && at.gradient[i] > 0.0)
    }

    /// Evaluates and, if `accept` says so, moves there.
    fn try_move(
        &mut self,
        x: Vec<f64>,
        model: &Model,
        accept: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, KernelError> {
        let Some(at) = self.evaluate(&x)? else { return Ok(None) };
        let value = at.value;
        if !accept(value) {
            return Ok(None);
        }
        let size = x.len();
        let all = vec![true; size];
        let s: Vec<f64> = x.iter().zip(&self.here.x).map(|(a, b)| a - b).collect();
        let length: f64 =
            (0..size).map(|b| 0.5 * s[b] * dense::dot(&model.hessian[b * size..(b + 1) * size], &s)).sum();
        if length < SHORT {
            let y: Vec<f64> = at.gradient.iter().zip(&self.here.at.gradient).map(|(a, b)| a - b).collect();
            self.correction.update(&s, &y, &at.hessian, &at.information, &all);
        }
        self.here = Place { x, at };
        Ok(Some(value))
    }

    fn go(&mut self, goal: Goal, may_leave_zero: bool) -> Result<Mark, KernelError> {
        let held = self.coordinates.held;
        let mut bracket = Bracket::new(self, goal)?;
        let (mut joint, mut beyond) = (0, 0.0);
        for _ in 0..MOST_STEPS {
            let model = self.model()?;
            let reading = self.read(&model)?;
            beyond = reading.zeta;
            let psi = self.here.x[held];
            let settled = model.decrement <= SETTLED.max(noise(self.objective.problem, self.minimum))
                || self.is_vanishing()
                || self.radius < 1e-13;
            let mark = Mark { psi, zeta: reading.zeta, rate: reading.rate };
            let next = match goal {
                Goal::Psi(target) => target,
                Goal::Zeta(zeta) => bracket.next(zeta, &reading, psi),
            };
            if settled {
                let reached = match goal {
                    Goal::Psi(target) => psi == target,
                    Goal::Zeta(zeta) => bracket.is_reached(zeta, &mark),
                };
                if reached {
                    if may_leave_zero && self.leave_zero(psi)? {
                        continue;
                    }
                    self.radius = self.radius.max(1.0);
                    return Ok(bracket.read_off(goal, mark));
                }
            }
            let wait = model.decrement > UNSETTLED || (joint >= JOINT_STEPS && !settled);
            if wait || next == psi {
                self.inner_step(&model)?;
            } else {
                joint += 1;
                if !self.joint_step(&model, next)? {
                    break;
                }
            }
        }
        Err(KernelError::NotReached { zeta: beyond })
    }

    /// One trust-region step of phi.
    fn inner_step(&mut self, model: &Model) -> Result<(), KernelError> {
        let value = self.here.at.value;
        let slack = noise(self.objective.problem, value);
        loop {
            let (step, change) = model.spectrum.step(&model.along, self.radius);
            let x: Vec<f64> = self.here.x.iter().zip(&step).map(|(a, s)| a + s).collect();
            let length = norm(&step, &self.here.at.units);
            let ratio = |found: f64| (value - found) / (-change).max(f64::MIN_POSITIVE);
            let accept =
                |found: f64| ratio(found) > 1e-4 || (-change <= 10.0 * slack && found <= value + slack);
            if let Some(found) = self.try_move(x, model, accept)? {
                if ratio(found) > 0.75 && length > 0.8 * self.radius {
                    self.radius *= 4.0;
                } else if ratio(found) < 0.25 {
                    self.radius = 0.5 * length;
                }
                if -change <= slack {
                    // nothing more to be told from the criterion
                    self.radius = 0.0;
                }
                return Ok(());
            }
            self.radius = 0.25 * length.min(self.radius);
            if self.radius < 1e-13 {
                return Ok(());
            }
        }
    }

    /// psi to `next`, phi along the ridge; shorter where that leads astray, false where every step does.
    fn joint_step(&mut self, model: &Model, next: f64) -> Result<bool, KernelError> {
        let held = self.coordinates.held;
        let size = self.free.len();
        let psi = self.here.x[held];
        let mut target = next;
        self.radius = self.radius.max(1.0);
        for _ in 0..40 {
            let move_by = target - psi;
            let shifted: Vec<f64> =
                model.along.iter().zip(&model.cross).map(|(a, c)| a + c * move_by).collect();
            let (step, change) = model.spectrum.step(&shifted, self.radius);
            let mut x: Vec<f64> = self.here.x.iter().zip(&step).map(|(a, s)| a + s).collect();
            x[held] = target;
            let expected = change
                + move_by * self.here.at.gradient[held]
                + 0.5 * move_by * move_by * model.hessian[held + held * size];
            let limit = self.here.at.value + 10.0 * (1.0 + expected.abs());
            if self.try_move(x, model, |value| value <= limit)?.is_some() {
                return Ok(true);
            }
            target = psi + 0.5 * move_by;
        }
        Ok(false)
    }

    /// The criterion is even in each column of T, so that zero is always stationary. Where a column is near zero and the
    /// derivative in its covariance says that leaving lowers the criterion, leaves and settles anew at this psi; true if the
    /// criterion is then lower.
    fn leave_zero(&mut self, psi: f64) -> Result<bool, KernelError> {
        let coordinates = self.coordinates;
        let natural = coordinates.natural(&self.here.x);
        let (mut first, mut left) = (0, false);
        for (term, &k) in coordinates.widths.iter().enumerate() {
            let bound = coordinates.turned.filter(|t| t.0 == term).map_or(0, |t| t.1);
            let mut at = first;
            first += crate::covariance::triangle(k);
            for c in 0..k {
                let column = at..at + k - c;
                at = column.end;
                if c < bound || !natural[column.clone()].iter().all(|v| v.abs() < NEAR_ZERO) {
                    continue;
                }
                let (gamma, log_det) = (&self.here.at.gamma[term], &self.here.at.log_det_gradient[term]);
                let rest = k - c;
                let block: Vec<f64> =
                    (0..rest * rest).map(|h| gamma[c + h % rest + (c + h / rest) * k]).collect();
                let (values, vectors) = dense::symmetric_eigen(rest, &block)?;
                let scale: f64 = (c..k).map(|i| log_det[i + i * k].abs()).sum();
                if values[0] >= 0.0 || values[0] * values[0] <= GAIN * scale {
                    continue;
                }
                let mut x = self.here.x.clone();
                for (i, v) in column.zip(&vectors[..rest]) {
                    x[i] = LEAP * v;
                }
                let mut other = self.clone();
                other.correction = Correction::new(x.len());
                other.radius = 1.0;
                let Some(at) = other.evaluate(&x)? else { continue };
                other.here = Place { x, at };
                other.go(Goal::Psi(psi), false)?;
                if other.here.at.value < self.here.at.value - GAIN {
                    *self = other;
                    left = true;
                }
                break;
            }
        }
        Ok(left)
    }
}

/// Length in units.
fn norm(step: &[f64], units: &[f64]) -> f64 {
    step.iter().zip(units).map(|(s, u)| (s / u) * (s / u)).sum::<f64>().sqrt()
}

/// Where the root of zeta = target lies.
struct Bracket {
    /// Nearest psi with a smaller |zeta|, and with a larger one.
    inner: f64,
    outer: Option<f64>,
    bound: f64,
    estimate: f64,
    previous: Option<Mark>,
    tries: usize,
}

impl Bracket {
    fn new(walk: &mut Walk, goal: Goal) -> Result<Self, KernelError> {
        let estimate = walk.estimate_psi();
        let psi = walk.here.x[walk.coordinates.held];
        let (bound, previous) = match goal {
            Goal::Psi(_) => (f64::NAN, None),
            Goal::Zeta(zeta) => {
                let start = (psi == estimate).then(|| walk.estimate()).transpose()?;
                (walk.coordinates.bounds[usize::from(zeta > 0.0)], start)
            }
        };
        Ok(Self { inner: psi, outer: None, bound, estimate, previous, tries: TRIES })
    }

    /// The next psi to look at.
    fn next(&mut self, zeta: f64, reading: &Reading, psi: f64) -> f64 {
        if psi == self.estimate {
            // the estimate itself: its slope is the ridge's
            let rate = self.previous.map_or(1.0, |m| m.rate);
            return self.within_bound(psi + zeta / rate);
        }
        let size = reading.zeta.abs();
        let distance = |p: f64| (p - self.estimate).abs();
        // a reading may contradict one that was made before phi had settled
        if size + reading.error < zeta.abs() {
            self.inner = psi;
            self.outer = self.outer.filter(|&outer| distance(outer) > distance(psi));
        } else if size - reading.error > zeta.abs() {
            self.outer = Some(psi);
            if distance(self.inner) >= distance(psi) {
                self.inner = self.estimate;
            }
        }
        let mark = Mark { psi, zeta: reading.zeta, rate: reading.rate };
        let previous = self.previous.replace(mark);
        let limit = self.outer.unwrap_or(self.bound);
        let inside = |p: f64| p > self.inner.min(limit) && p < self.inner.max(limit);
        let newton = if reading.rate > 0.0 { psi + (zeta - reading.zeta) / reading.rate } else { f64::NAN };
        let guesses = [previous.and_then(|p| inverse_cubic(p, mark, zeta)).unwrap_or(f64::NAN), newton];
        if let Some(&guess) = guesses.iter().find(|&&g| inside(g)) {
            return guess;
        }
        match self.outer {
            Some(outer) => 0.5 * (self.inner + outer),
            None if self.bound.is_finite() => self.bound,
            None => self.inner + 2.0 * (self.inner - self.estimate),
        }
    }

    fn within_bound(&self, psi: f64) -> f64 {
        if self.bound > self.estimate { psi.min(self.bound) } else { psi.max(self.bound) }
    }

    /// True at the root, at the bound where zeta is not reached, and where zeta jumps over its target.
    fn is_reached(&mut self, zeta: f64, mark: &Mark) -> bool {
        if mark.psi == self.bound && mark.zeta.abs() < zeta.abs() {
            return true;
        }
        if mark.psi == self.estimate {
            return false;
        }
        let narrow = |outer: f64| (outer - self.inner).abs() <= 1e-13 * (outer.abs() + self.inner.abs());
        let collapsed = self.outer.is_some_and(narrow);
        if collapsed && self.tries > 0 {
            // around a misreading
            (self.inner, self.outer) = (self.estimate, None);
            self.tries -= 1;
            return false;
        }
        collapsed || self.root(zeta, mark).is_some()
    }

    /// The root by the slope, from a mark close enough.
    fn root(&self, zeta: f64, mark: &Mark) -> Option<f64> {
        let missing = zeta - mark.zeta;
        if missing.abs() <= SAME {
            return Some(mark.psi);
        }
        let by = missing / mark.rate;
        let room = (mark.psi - self.estimate).abs().min((mark.psi - self.bound).abs());
        let close = missing.abs() <= CLOSE && mark.rate > 0.0 && by.abs() <= NEARBY * room;
        close.then_some(mark.psi + by)
    }

    fn read_off(&self, goal: Goal, mark: Mark) -> Mark {
        let Goal::Zeta(zeta) = goal else { return mark };
        match self.root(zeta, &mark) {
            Some(psi) => Mark { psi, zeta, rate: mark.rate },
            None => mark,
        }
    }
}

/// psi at a zeta by the cubic through two marks with their slopes, psi as a function of zeta; None where it would be far from
/// both.
fn inverse_cubic(a: Mark, b: Mark, zeta: f64) -> Option<f64> {
    let h = b.zeta - a.zeta;
    if a.rate <= 0.0 || b.rate <= 0.0 || h == 0.0 || (zeta - b.zeta).abs() > 2.0 * h.abs() {
        return None;
    }
    let t = (zeta - a.zeta) / h;
    let (da, db) = (h / a.rate, h / b.rate);
    let rise = b.psi - a.psi;
    let guess = a.psi + t * (da + t * ((3.0 * rise - 2.0 * da - db) + t * (da + db - 2.0 * rise)));
    guess.is_finite().then_some(guess)
}
