//! Python bindings: convert, release the GIL, map errors. No arithmetic here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mixwell_kernel::components::Components;
use mixwell_kernel::covariance;
use mixwell_kernel::criterion;
use mixwell_kernel::deletion::{Deletions as KernelDeletions, Parameters};
use mixwell_kernel::error::KernelError as Error;
use mixwell_kernel::identify::unidentified;
use mixwell_kernel::newton::{Control, Objective};
use mixwell_kernel::optimize::{check_parameters, optimize};
use mixwell_kernel::problem::{FactorInput, Input, Problem as KernelProblem, TermInput};
use mixwell_kernel::profile::{Parameter, profile};
use mixwell_kernel::resample::{Refit, Rows, refit_many};
use mixwell_kernel::rows::{RowInput, predictor_variances};
use mixwell_kernel::solution::{Solution, unscale_fixed};
use mixwell_kernel::watch::{self, Watch};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

create_exception!(
    _kernel,
    KernelError,
    PyException,
    "An error of the compiled kernel: (kind, message, indices)."
);

/// Directions without information, and per term the columns that the fixed part absorbs.
type Unidentified = (Vec<Vec<f64>>, Vec<Vec<Vec<f64>>>);

fn kind_and_indices(error: &Error) -> (&'static str, Vec<usize>) {
    match *error {
        Error::UnknownParameter { index } => ("unknown_parameter", vec![index]),
        Error::OutOfRange { .. } => ("out_of_range", vec![]),
        Error::BelowFit { .. } => ("below_fit", vec![]),
        Error::NotReached { .. } => ("not_reached", vec![]),
        Error::Profile { parameter, ref reason } => (kind_and_indices(reason).0, vec![parameter]),
        Error::Length { expected, found, .. } => ("length", vec![expected, found]),
        Error::NotFinite { index, .. } => ("not_finite", vec![index]),
        Error::Weight { index, .. } => ("weight", vec![index]),
        Error::LevelCode { factor, index, .. } => ("level_code", vec![factor, index]),
        Error::UnknownFactor { term, factor } => ("unknown_factor", vec![term, factor]),
        Error::TooManyLevels { factor, .. } => ("too_many_levels", vec![factor]),
        Error::CoreTooLarge { dim, largest } => ("core_too_large", vec![dim, largest]),
        Error::TooFewLevels { factor } => ("too_few_levels", vec![factor]),
        Error::Scale { .. } => ("scale", vec![]),
        Error::Empty { index, .. } => ("empty", vec![index]),
        Error::TooFewRows { rows, rank } => ("too_few_rows", vec![rows, rank]),
        Error::DependentColumns { term, column } => ("dependent_columns", vec![term, column]),
        Error::PerfectFit => ("perfect_fit", vec![]),
        Error::Parameter { index, .. } => ("parameter", vec![index]),
        Error::NotPositiveDefinite { index } => ("not_positive_definite", vec![index]),
        Error::Decomposition => ("decomposition", vec![]),
        Error::Memory { bytes } => ("memory", vec![bytes]),
        Error::Interrupted => ("interrupted", vec![]),
    }
}

fn to_python(error: &Error) -> PyErr {
    let (kind, indices) = kind_and_indices(error);
    KernelError::new_err((kind, error.to_string(), indices))
}

/// Runs kernel work without the GIL; a panic becomes a Python exception. A `long` one is stopped by a signal.
fn detached<T: Send>(
    py: Python<'_>,
    long: bool,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> PyResult<T> {
    if long {
        return watched(py, &Arc::default(), |_| Ok(()), work);
    }
    finished(py.detach(|| catch_unwind(AssertUnwindSafe(work))))
}

fn finished<T>(outcome: thread::Result<Result<T, Error>>) -> PyResult<T> {
    match outcome {
        Ok(result) => result.map_err(|e| to_python(&e)),
        Err(_) => {
            Err(KernelError::new_err(("panic", "internal error of the compiled kernel", Vec::<usize>::new())))
        }
    }
}

/// Rows and columns from which reading data may take long, and multiplications per evaluation from which a search may.
const MANY_ROWS: usize = 5_000;
const MANY_COLUMNS: usize = 100;
const MUCH_WORK: f64 = 1e6;

fn is_large(input: &Input<'_>) -> bool {
    let random: usize = input.terms.iter().map(|t| t.columns.len()).sum();
    input.y.len() >= MANY_ROWS || input.x.len() + random >= MANY_COLUMNS
}

fn takes_long(problem: &KernelProblem) -> bool {
    problem.work() >= MUCH_WORK
}

/// How often long work looks for signals and tells how far it is.
const POLL: Duration = Duration::from_millis(100);

/// The same in a thread of its own: `report` is called now and then with the number of pieces done, and an exception from it
/// or from a signal stops the work. Where no thread can be had, it runs here, unwatched.
fn watched<T: Send>(
    py: Python<'_>,
    watch: &Arc<Watch>,
    report: impl Fn(usize) -> PyResult<()>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> PyResult<T> {
    let (over, bell) = (Mutex::new(false), Condvar::new());
    let task = Mutex::new(Some(work));
    let run = || {
        let work = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let run = || watch::under(Some(Arc::clone(watch)), || work.map_or(Err(Error::Interrupted), |w| w()));
        catch_unwind(AssertUnwindSafe(run))
    };
    let (outcome, failure) = thread::scope(|scope| {
        let spawned = thread::Builder::new().spawn_scoped(scope, || {
            let outcome = run();
            *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
            bell.notify_all();
            outcome
        });
        let Ok(worker) = spawned else {
            return (py.detach(run), None);
        };
        let mut failure = None;
        loop {
            let done = py.detach(|| {
                let guard = over.lock().unwrap_or_else(PoisonError::into_inner);
                let waited = bell.wait_timeout_while(guard, POLL, |done| !*done);
                *waited.unwrap_or_else(PoisonError::into_inner).0
            });
            if done {
                break;
            }
            if failure.is_none()
                && let Err(e) = py.check_signals().and_then(|()| report(watch.done()))
            {
                watch.stop();
                failure = Some(e);
            }
        }
        // the thread catches its own panics
        (worker.join().unwrap_or_else(Err), failure)
    });
    match failure {
        Some(e) => Err(e),
        None => finished(outcome),
    }
}

/// ("sd", [term, column]), ("correlation", [term, first, second]), ("sigma", []), ("coefficient", [index]).
fn parameter((kind, place): &(String, Vec<usize>)) -> PyResult<Parameter> {
    match (kind.as_str(), &place[..]) {
        ("sd", &[term, column]) => Ok(Parameter::Sd { term, column }),
        ("correlation", &[term, first, second]) => Ok(Parameter::Correlation { term, first, second }),
        ("sigma", []) => Ok(Parameter::Sigma),
        ("coefficient", &[index]) => Ok(Parameter::Coefficient { index }),
        _ => Err(PyValueError::new_err(format!("{kind:?} with {place:?} is no parameter"))),
    }
}

fn not_contiguous(what: &str) -> PyErr {
    PyValueError::new_err(format!("{what} must be a contiguous array"))
}

/// Columns of a Fortran-ordered matrix.
fn matrix_columns<'a>(x: &'a PyReadonlyArray2<'_, f64>) -> PyResult<Vec<&'a [f64]>> {
    let (rows, p) = (x.shape()[0], x.shape()[1]);
    if p == 0 {
        return Ok(vec![]);
    }
    if rows == 0 {
        return Ok(vec![&[]; p]);
    }
    if !x.is_fortran_contiguous() {
        return Err(not_contiguous("x (Fortran order)"));
    }
    let flat = x.as_slice().map_err(|_| not_contiguous("x (Fortran order)"))?;
    Ok(flat.chunks_exact(rows).collect())
}

type Codes<'py> = (PyReadonlyArray1<'py, i32>, usize);
type Columns<'py> = (usize, Vec<PyReadonlyArray1<'py, f64>>);

/// Borrowed input arrays of one model: y (n, offset subtracted), x (n x p, Fortran order), weights (n) or None, factors
/// [(codes, n_levels)], terms [(factor, [columns])].
struct Arrays<'py>(
    PyReadonlyArray1<'py, f64>,
    PyReadonlyArray2<'py, f64>,
    Option<PyReadonlyArray1<'py, f64>>,
    Vec<Codes<'py>>,
    Vec<Columns<'py>>,
);

impl<'py> FromPyObject<'_, 'py> for Arrays<'py> {
    type Error = PyErr;

    fn extract(arguments: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (y, x, weights, factors, terms) = arguments.extract()?;
        Ok(Self(y, x, weights, factors, terms))
    }
}

impl Arrays<'_> {
    fn input(&self) -> PyResult<Input<'_>> {
        let Self(y, x, weights, factors, terms) = self;
        let y = y.as_slice().map_err(|_| not_contiguous("y"))?;
        let rows = x.shape()[0];
        if rows != y.len() {
            return Err(to_python(&Error::Length {
                what: "fixed-effects matrix",
                expected: y.len(),
                found: rows,
            }));
        }
        let x = matrix_columns(x)?;
        let weights = match weights {
            Some(w) => Some(w.as_slice().map_err(|_| not_contiguous("weights"))?),
            None => None,
        };
        let factors = factors
            .iter()
            .map(|(codes, n_levels)| {
                let codes = codes.as_slice().map_err(|_| not_contiguous("level codes"))?;
                Ok(FactorInput { codes, n_levels: *n_levels })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let terms = terms
            .iter()
            .map(|(factor, columns)| {
                let columns = columns
                    .iter()
                    .map(|c| c.as_slice().map_err(|_| not_contiguous("random-effects column")))
                    .collect::<PyResult<Vec<_>>>()?;
                Ok(TermInput { factor: *factor, columns })
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Input { y, x, weights, factors, terms })
    }
}

/// Column-major k x k blocks as a numpy array of the given shape (symmetric blocks: order does not matter).
fn array<'py>(py: Python<'py>, values: Vec<f64>, shape: &[usize]) -> PyResult<Bound<'py, PyAny>> {
    values.into_pyarray(py).call_method1("reshape", (PyTuple::new(py, shape)?,))
}

/// Widths of the terms, their triangular factors, parameters -> parameters of other columns.
type Turn = fn(&[usize], &[Vec<f64>], &[f64]) -> Vec<f64>;

/// Crossproducts of one model; immutable. Holds no Python object.
#[pyclass(frozen, module = "mixwell._kernel")]
struct Problem {
    inner: KernelProblem,
}

impl Problem {
    fn to_kernel(&self, theta: &[f64]) -> Result<Vec<f64>, Error> {
        check_parameters(&self.inner, theta)?;
        Ok(covariance::theta_to_scaled(&self.inner.widths, &self.inner.term_scale, theta))
    }

    /// Rows of parameters, one after the other turned into those of other columns.
    fn converted<'py>(
        &self,
        py: Python<'py>,
        rows: &PyReadonlyArray2<'py, f64>,
        turn: Turn,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (m, n) = (rows.shape()[0], rows.shape()[1]);
        let values = rows.as_slice().map_err(|_| not_contiguous("parameters"))?;
        let mut out = Vec::with_capacity(values.len());
        for row in 0..m {
            let own = &values[row * n..(row + 1) * n];
            check_parameters(&self.inner, own).map_err(|e| to_python(&e))?;
            out.extend(turn(&self.inner.widths, &self.inner.term_scale, own));
        }
        array(py, out, &[m, n])
    }

    fn solution_dict<'py>(&self, py: Python<'py>, solution: Solution) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        let p = self.inner.n_fixed();
        out.set_item("criterion", solution.criterion)?;
        out.set_item("theta", solution.theta.into_pyarray(py))?;
        out.set_item("sigma", solution.sigma)?;
        out.set_item("pwrss", solution.pwrss)?;
        out.set_item("beta", solution.beta.into_pyarray(py))?;
        out.set_item("vcov", array(py, solution.vcov, &[p, p])?)?;
        let term_cov = solution
            .term_cov
            .into_iter()
            .zip(&self.inner.widths)
            .map(|(c, &k)| array(py, c, &[k, k]))
            .collect::<PyResult<Vec<_>>>()?;
        out.set_item("term_cov", term_cov)?;
        let mut sizes = vec![(0, 0); self.inner.blocks.factors.len()];
        for f in &self.inner.blocks.factors {
            sizes[f.input] = (f.q, f.k);
        }
        let modes = solution.modes.into_iter().zip(&sizes).map(|(b, &(q, k))| array(py, b, &[q, k]));
        out.set_item("modes", modes.collect::<PyResult<Vec<_>>>()?)?;
        let cov = solution.mode_cov.into_iter().zip(&sizes).map(|(c, &(q, k))| array(py, c, &[q, k, k]));
        out.set_item("mode_cov", cov.collect::<PyResult<Vec<_>>>()?)?;
        Ok(out)
    }
}

#[pymethods]
impl Problem {
    /// The arrays as in `Arrays`.
    #[new]
    #[pyo3(signature = (*arrays))]
    fn new(py: Python<'_>, arrays: Arrays<'_>) -> PyResult<Self> {
        let input = arrays.input()?;
        let inner = detached(py, is_large(&input), || KernelProblem::new(&input))?;
        Ok(Self { inner })
    }

    #[getter]
    fn n_theta(&self) -> usize {
        self.inner.n_theta()
    }

    /// What the data cannot tell, for the arrays the problem was made from: (directions, absorbed columns per term), both
    /// empty where everything is identified; by what the fixed part leaves of the response, or by the response itself.
    #[pyo3(signature = (off_fixed, *arrays))]
    fn unidentified(&self, py: Python<'_>, off_fixed: bool, arrays: Arrays<'_>) -> PyResult<Unidentified> {
        let input = arrays.input()?;
        let found = detached(py, is_large(&input), || unidentified(&self.inner, &input, off_fixed))?;
        Ok((found.directions, found.absorbed))
    }

    /// Time of one evaluation with derivatives, in multiplications of a dense factorization.
    #[getter]
    fn work(&self) -> f64 {
        self.inner.work()
    }

    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.inner.rank.kept.clone()
    }

    /// Coordinates of the kernel, in which the curvature is told, from thetas (m x `n_theta`, a row each).
    fn coordinates_of<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.converted(py, &theta, covariance::theta_to_scaled)
    }

    /// Inverse of `coordinates_of`.
    fn theta_of<'py>(
        &self,
        py: Python<'py>,
        coordinates: PyReadonlyArray2<'py, f64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.converted(py, &coordinates, covariance::theta_to_original)
    }

    /// The criterion's parts and their gradients at theta (lme4's order, the user's columns).
    fn components<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let parts = detached(py, takes_long(&self.inner), || {
            check_parameters(&self.inner, theta)?;
            Components::new(&Objective::new(&self.inner, reml), theta)
        })?;
        let p = self.inner.n_fixed();
        let out = PyDict::new(py);
        out.set_item("criterion", parts.criterion)?;
        out.set_item("log_det", parts.log_det)?;
        out.set_item("pwrss", parts.pwrss)?;
        out.set_item("log_det_gradient", parts.log_det_gradient.into_pyarray(py))?;
        out.set_item("log_pwrss_gradient", parts.log_pwrss_gradient.into_pyarray(py))?;
        out.set_item("beta", parts.beta.into_pyarray(py))?;
        out.set_item("vcov_unscaled", array(py, parts.vcov_unscaled, &[p, p])?)?;
        Ok(out)
    }

    /// Var(x'beta + z'(b - b-hat)) / sigma^2 of m rows: x (m x p, Fortran order), codes per factor (-1: no level),
    /// columns per term.
    fn predictor_variances<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        x: PyReadonlyArray2<'py, f64>,
        codes: Vec<PyReadonlyArray1<'py, i32>>,
        columns: Vec<Vec<PyReadonlyArray1<'py, f64>>>,
        with_fixed: bool,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let codes = codes
            .iter()
            .map(|c| c.as_slice().map_err(|_| not_contiguous("level codes")))
            .collect::<PyResult<Vec<_>>>()?;
        let columns = columns
            .iter()
            .map(|term| {
                term.iter()
                    .map(|c| c.as_slice().map_err(|_| not_contiguous("random-effects column")))
                    .collect::<PyResult<Vec<_>>>()
            })
            .collect::<PyResult<Vec<_>>>()?;
        let input = RowInput { n: x.shape()[0], x: matrix_columns(&x)?, codes, columns };
        let long = input.n >= MANY_ROWS || takes_long(&self.inner);
        let values = detached(py, long, || {
            predictor_variances(&self.inner, &self.to_kernel(theta)?, &input, with_fixed)
        })?;
        Ok(values.into_pyarray(py))
    }

    /// Estimates at theta without optimizing.
    fn solve<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let solution = detached(py, takes_long(&self.inner), || {
            Solution::new(&self.inner, &self.to_kernel(theta)?, reml)
        })?;
        self.solution_dict(py, solution)
    }

    /// Profile likelihood (ML) of parameters at the estimate theta: per parameter estimate, values, zeta, slope. `report` is
    /// called now and then with the number of sides (two per parameter) that are done.
    #[pyo3(signature = (theta, parameters, stops, spacing, report))]
    fn profile<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        parameters: Vec<(String, Vec<usize>)>,
        stops: Vec<f64>,
        spacing: Option<f64>,
        report: &Bound<'py, PyAny>,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let parameters = parameters.iter().map(parameter).collect::<PyResult<Vec<_>>>()?;
        let watch = Arc::new(Watch::default());
        let report = |done: usize| report.call1((done,)).map(drop);
        let curves = watched(py, &watch, report, || {
            profile(&self.inner, &self.to_kernel(theta)?, &parameters, &stops, spacing, &watch)
        })?;
        curves
            .into_iter()
            .map(|curve| {
                let out = PyDict::new(py);
                out.set_item("estimate", curve.estimate)?;
                out.set_item("values", curve.values.into_pyarray(py))?;
                out.set_item("zeta", curve.zeta.into_pyarray(py))?;
                out.set_item("slope", curve.slope.into_pyarray(py))?;
                Ok(out)
            })
            .collect()
    }

    /// Fits the model: solution, trace, certificate and curvature.
    #[pyo3(signature = (reml, start, max_evaluations, gap_tolerance, starts))]
    fn optimize<'py>(
        &self,
        py: Python<'py>,
        reml: bool,
        start: Option<PyReadonlyArray1<'py, f64>>,
        max_evaluations: usize,
        gap_tolerance: f64,
        starts: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let start = match &start {
            Some(s) => Some(s.as_slice().map_err(|_| not_contiguous("start"))?),
            None => None,
        };
        let control = Control { max_evaluations, gap_tolerance, starts };
        let (optimum, solution) = detached(py, takes_long(&self.inner), || {
            let start = start.map(|s| self.to_kernel(s)).transpose()?;
            let optimum = optimize(&self.inner, reml, start.as_deref(), &control)?;
            let solution = Solution::of_point(&Objective::new(&self.inner, reml), &optimum.point)?;
            Ok((optimum, solution))
        })?;
        let out = self.solution_dict(py, solution)?;
        let (m, p) = (self.inner.n_theta(), self.inner.n_fixed());

        let trace = PyDict::new(py);
        let evaluations = optimum.trace.len();
        let theta: Vec<f64> = optimum.trace.iter().flat_map(|t| t.theta.iter().copied()).collect();
        trace.set_item("theta", array(py, theta, &[evaluations, m])?)?;
        let column = |f: fn(&mixwell_kernel::newton::TraceEntry) -> f64| {
            optimum.trace.iter().map(f).collect::<Vec<f64>>().into_pyarray(py)
        };
        trace.set_item("criterion", column(|t| t.criterion))?;
        trace.set_item("gradient_norm", column(|t| t.gradient_norm))?;
        trace.set_item("decrement", column(|t| t.decrement))?;
        let steps: Vec<&str> = optimum.trace.iter().map(|t| t.step.name()).collect();
        trace.set_item("step", PyTuple::new(py, steps)?)?;
        let searches: Vec<i64> = optimum.searches.iter().map(|&s| s as i64).collect();
        trace.set_item("searches", searches.into_pyarray(py))?;
        trace.set_item("chosen", optimum.chosen)?;
        trace.set_item("probes", optimum.probes)?;
        out.set_item("trace", trace)?;

        let certificate = PyDict::new(py);
        certificate.set_item("converged", optimum.certificate.passed())?;
        certificate.set_item("gap", optimum.certificate.gap)?;
        certificate.set_item("gradient_norm", optimum.certificate.gradient_norm)?;
        certificate.set_item("hessian_eigenvalue", optimum.certificate.lowest_curvature)?;
        certificate.set_item("reason", optimum.certificate.reason)?;
        certificate.set_item("flat", PyTuple::new(py, &optimum.certificate.flat)?)?;
        let terms = PyList::empty(py);
        for (t, term) in optimum.certificate.terms.iter().enumerate() {
            let k = self.inner.widths[t];
            let item = PyDict::new(py);
            item.set_item("rank", term.rank)?;
            item.set_item("null_eigenvalue", term.null_eigenvalue)?;
            // combinations of the user's columns without variance: R' times the kernel's null space, row per direction
            let mut space = term.null_space.clone();
            covariance::to_original_combinations(k, &self.inner.term_scale[t], &mut space);
            item.set_item("null_space", array(py, space, &[k - term.rank, k])?)?;
            terms.append(item)?;
        }
        certificate.set_item("terms", terms)?;
        out.set_item("certificate", certificate)?;

        let curvature = PyDict::new(py);
        curvature.set_item("hessian", array(py, optimum.curvature.hessian, &[m, m])?)?;
        let derivative: Vec<f64> = optimum
            .curvature
            .fixed_covariance_gradient
            .iter()
            .flat_map(|d| unscale_fixed(&self.inner, d))
            .collect();
        curvature.set_item("vcov_derivative", array(py, derivative, &[m, p, p])?)?;
        curvature.set_item("log_pwrss_derivative", optimum.curvature.log_pwrss_gradient.into_pyarray(py))?;
        curvature.set_item("active", optimum.curvature.active)?;
        out.set_item("curvature", curvature)?;
        Ok(out)
    }
}

/// A design whose response can be replaced: many refits at once.
#[pyclass(frozen, module = "mixwell._kernel")]
struct Refitter {
    problem: KernelProblem,
    rows: Rows,
}

#[pymethods]
impl Refitter {
    /// The arrays as in `Arrays`.
    #[new]
    #[pyo3(signature = (*arrays))]
    fn new(py: Python<'_>, arrays: Arrays<'_>) -> PyResult<Self> {
        let input = arrays.input()?;
        detached(py, is_large(&input), || {
            let problem = KernelProblem::new(&input)?;
            let rows = Rows::new(&problem, &input)?;
            Ok(Self { problem, rows })
        })
    }

    /// Refits to each column of `responses` (n x m, Fortran order, offset subtracted) from `theta`; see `refits_dict`.
    fn refit<'py>(
        &self,
        py: Python<'py>,
        responses: PyReadonlyArray2<'py, f64>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
        max_evaluations: usize,
        gap_tolerance: f64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let columns = matrix_columns(&responses)?;
        if responses.shape()[0] != self.problem.n {
            let (expected, found) = (self.problem.n, responses.shape()[0]);
            return Err(to_python(&Error::Length { what: "responses", expected, found }));
        }
        let control = Control { max_evaluations, gap_tolerance, starts: 1 };
        let flat: &[f64] = if columns.is_empty() {
            &[]
        } else {
            responses.as_slice().map_err(|_| not_contiguous("responses (Fortran order)"))?
        };
        let refits = detached(py, takes_long(&self.problem), || {
            check_parameters(&self.problem, theta)?;
            let star = covariance::theta_to_scaled(&self.problem.widths, &self.problem.term_scale, theta);
            Ok(refit_many(&self.problem, &self.rows, flat, reml, &star, &control))
        })?;
        let refits: Vec<Option<Refit>> = refits.into_iter().map(Result::ok).collect();
        refits_dict(py, &self.problem, &refits)
    }
}

/// Fits side by side: criterion (m), theta (m x n_theta), sigma (m), beta (m x rank, NaN where the rank is another), converged
/// (m); a failed refit has NaN and converged False.
fn refits_dict<'py>(
    py: Python<'py>,
    problem: &KernelProblem,
    refits: &[Option<Refit>],
) -> PyResult<Bound<'py, PyDict>> {
    let (m, n_theta, p) = (refits.len(), problem.n_theta(), problem.n_fixed());
    let mut thetas = vec![f64::NAN; m * n_theta];
    let mut betas = vec![f64::NAN; m * p];
    for (i, refit) in refits.iter().enumerate() {
        if let Some(r) = refit {
            thetas[i * n_theta..(i + 1) * n_theta].copy_from_slice(&r.theta);
            if r.beta.len() == p {
                betas[i * p..(i + 1) * p].copy_from_slice(&r.beta);
            }
        }
    }
    let column = |f: fn(&Refit) -> f64| -> Vec<f64> {
        refits.iter().map(|r| r.as_ref().map_or(f64::NAN, f)).collect()
    };
    let converged: Vec<bool> = refits.iter().map(|r| r.as_ref().is_some_and(|r| r.converged)).collect();
    let out = PyDict::new(py);
    out.set_item("criterion", column(|r| r.criterion).into_pyarray(py))?;
    out.set_item("theta", array(py, thetas, &[m, n_theta])?)?;
    out.set_item("sigma", column(|r| r.sigma).into_pyarray(py))?;
    out.set_item("beta", array(py, betas, &[m, p])?)?;
    out.set_item("converged", converged.into_pyarray(py))?;
    Ok(out)
}

/// A design and disjoint sets of its rows, to be left out one at a time.
#[pyclass(frozen, module = "mixwell._kernel")]
struct Deletions {
    inner: KernelDeletions,
}

#[pymethods]
impl Deletions {
    /// `sets`: per row the number of its set, and how many there are. All parameters are estimated again, searched for from
    /// `theta` (lme4's order; None or singular: from moments); or `theta` is held. `control`: max_evaluations, gap_tolerance, starts.
    /// The arrays as in `Arrays`.
    #[new]
    #[pyo3(signature = (sets, reml, theta, held, control, *arrays))]
    fn new(
        py: Python<'_>,
        sets: Codes<'_>,
        reml: bool,
        theta: Option<PyReadonlyArray1<'_, f64>>,
        held: bool,
        control: (usize, f64, usize),
        arrays: Arrays<'_>,
    ) -> PyResult<Self> {
        let input = arrays.input()?;
        let (sets, n_sets) = (sets.0.as_slice().map_err(|_| not_contiguous("sets"))?, sets.1);
        let (max_evaluations, gap_tolerance, starts) = control;
        let theta = match &theta {
            Some(t) => Some(t.as_slice().map_err(|_| not_contiguous("theta"))?.to_vec()),
            None => None,
        };
        let control = Control { max_evaluations, gap_tolerance, starts };
        let parameters = match (held, theta) {
            (true, Some(theta)) => Parameters::Held { theta },
            (true, None) => return Err(PyValueError::new_err("theta is needed where it is held")),
            (false, start) => Parameters::Estimated { start, control },
        };
        let inner =
            detached(py, is_large(&input), || KernelDeletions::new(&input, sets, n_sets, reml, parameters))?;
        Ok(Self { inner })
    }

    /// Estimates without each of the sets first..last: what `refits_dict` returns with vcov_unscaled (m x rank x rank,
    /// (X'V^-1 X)^-1 in units of sigma^2), same_rank (m: the same fixed effects are estimable; elsewhere beta and
    /// vcov_unscaled are NaN) and failures [(position, kind, message, indices)].
    fn refit<'py>(&self, py: Python<'py>, first: usize, last: usize) -> PyResult<Bound<'py, PyDict>> {
        let long = takes_long(self.inner.problem());
        let found = detached(py, long, || Ok(self.inner.refit(first, last)))?;
        let problem = self.inner.problem();
        let (m, p) = (found.len(), problem.n_fixed());
        let mut refits = Vec::with_capacity(m);
        let mut vcov = vec![f64::NAN; m * p * p];
        let mut same_rank = vec![false; m];
        let failures = PyList::empty(py);
        for (i, deletion) in found.into_iter().enumerate() {
            match deletion {
                Ok(mut d) => {
                    same_rank[i] = d.same_rank;
                    if d.same_rank {
                        vcov[i * p * p..(i + 1) * p * p].copy_from_slice(&d.vcov_unscaled);
                    } else {
                        d.refit.beta.clear();
                    }
                    refits.push(Some(d.refit));
                }
                Err(error) => {
                    let (kind, indices) = kind_and_indices(&error);
                    failures.append((i, kind, error.to_string(), indices))?;
                    refits.push(None);
                }
            }
        }
        let out = refits_dict(py, problem, &refits)?;
        out.set_item("vcov_unscaled", array(py, vcov, &[m, p, p])?)?;
        out.set_item("same_rank", same_rank.into_pyarray(py))?;
        out.set_item("failures", failures)?;
        Ok(out)
    }
}

/// Criteria of models without random terms, one per residual sum of squares.
#[pyfunction]
fn profiled_criterion<'py>(
    py: Python<'py>,
    log_det: f64,
    pwrss: PyReadonlyArray1<f64>,
    n: f64,
) -> Bound<'py, PyArray1<f64>> {
    pwrss.as_array().iter().map(|&v| criterion::profiled(log_det, v, n)).collect::<Vec<_>>().into_pyarray(py)
}

#[pymodule]
fn _kernel(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Problem>()?;
    m.add_class::<Refitter>()?;
    m.add_class::<Deletions>()?;
    m.add_function(wrap_pyfunction!(profiled_criterion, m)?)?;
    m.add("KernelError", m.py().get_type::<KernelError>())?;
    Ok(())
}
