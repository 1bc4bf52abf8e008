//! Python bindings: convert, release the GIL, map errors. No arithmetic here.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mixwell_kernel::covariance;
use mixwell_kernel::error::KernelError as Error;
use mixwell_kernel::newton::{Control, Objective};
use mixwell_kernel::optimize::{check_parameters, optimize};
use mixwell_kernel::problem::{FactorInput, Input, Problem as KernelProblem, TermInput};
use mixwell_kernel::solution::{Solution, unscale_fixed};
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

fn kind_and_indices(error: &Error) -> (&'static str, Vec<usize>) {
    match *error {
        Error::Length { expected, found, .. } => ("length", vec![expected, found]),
        Error::NotFinite { index, .. } => ("not_finite", vec![index]),
        Error::Weight { index, .. } => ("weight", vec![index]),
        Error::LevelCode { factor, index, .. } => ("level_code", vec![factor, index]),
        Error::UnknownFactor { term, factor } => ("unknown_factor", vec![term, factor]),
        Error::Empty { index, .. } => ("empty", vec![index]),
        Error::TooFewRows { rows, rank } => ("too_few_rows", vec![rows, rank]),
        Error::DependentColumns { term, column } => ("dependent_columns", vec![term, column]),
        Error::PerfectFit => ("perfect_fit", vec![]),
        Error::Parameter { index, .. } => ("parameter", vec![index]),
        Error::NotPositiveDefinite { index } => ("not_positive_definite", vec![index]),
        Error::Decomposition => ("decomposition", vec![]),
        Error::Interrupted => ("interrupted", vec![]),
    }
}

fn to_python(error: &Error) -> PyErr {
    let (kind, indices) = kind_and_indices(error);
    KernelError::new_err((kind, error.to_string(), indices))
}

/// Runs kernel work without the GIL; a panic becomes a Python exception.
fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, Error> + Send) -> PyResult<T> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result.map_err(|e| to_python(&e)),
        Err(_) => {
            Err(KernelError::new_err(("panic", "internal error of the compiled kernel", Vec::<usize>::new())))
        }
    }
}

fn not_contiguous(what: &str) -> PyErr {
    PyValueError::new_err(format!("{what} must be a contiguous array"))
}

type Codes<'py> = (PyReadonlyArray1<'py, i32>, usize);
type Columns<'py> = (usize, Vec<PyReadonlyArray1<'py, f64>>);

/// Borrowed input arrays of one model.
struct Arrays<'py> {
    y: PyReadonlyArray1<'py, f64>,
    x: PyReadonlyArray2<'py, f64>,
    weights: Option<PyReadonlyArray1<'py, f64>>,
    factors: Vec<Codes<'py>>,
    terms: Vec<Columns<'py>>,
}

impl Arrays<'_> {
    fn input(&self) -> PyResult<Input<'_>> {
        let y = self.y.as_slice().map_err(|_| not_contiguous("y"))?;
        let (rows, p) = (self.x.shape()[0], self.x.shape()[1]);
        if !self.x.is_fortran_contiguous() && p > 0 && rows > 0 {
            return Err(not_contiguous("x (Fortran order)"));
        }
        if rows != y.len() {
            return Err(to_python(&Error::Length {
                what: "fixed-effects matrix",
                expected: y.len(),
                found: rows,
            }));
        }
        let x = if p == 0 || rows == 0 {
            vec![]
        } else {
            let flat = self.x.as_slice().map_err(|_| not_contiguous("x (Fortran order)"))?;
            flat.chunks_exact(rows).collect()
        };
        let weights = match &self.weights {
            Some(w) => Some(w.as_slice().map_err(|_| not_contiguous("weights"))?),
            None => None,
        };
        let factors = self
            .factors
            .iter()
            .map(|(codes, n_levels)| {
                let codes = codes.as_slice().map_err(|_| not_contiguous("level codes"))?;
                Ok(FactorInput { codes, n_levels: *n_levels })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let terms = self
            .terms
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

/// Crossproducts of one model; immutable. Holds no Python object.
#[pyclass(frozen, module = "mixwell._kernel")]
struct Problem {
    inner: KernelProblem,
}

impl Problem {
    fn to_kernel(&self, theta: &[f64]) -> Result<Vec<f64>, Error> {
        check_parameters(&self.inner, theta)?;
        let widths = &self.inner.widths;
        let roots = covariance::unpack(widths, theta);
        let scaled: Vec<Vec<f64>> = (0..widths.len())
            .map(|t| covariance::to_scaled(widths[t], &roots[t], &self.inner.term_scale[t]))
            .collect();
        Ok(covariance::pack(widths, &scaled))
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
    /// y (n, offset subtracted), x (n x p, Fortran order), weights (n) or None, factors [(codes, n_levels)],
    /// terms [(factor, [columns])].
    #[new]
    #[pyo3(signature = (y, x, weights, factors, terms))]
    fn new(
        py: Python<'_>,
        y: PyReadonlyArray1<'_, f64>,
        x: PyReadonlyArray2<'_, f64>,
        weights: Option<PyReadonlyArray1<'_, f64>>,
        factors: Vec<Codes<'_>>,
        terms: Vec<Columns<'_>>,
    ) -> PyResult<Self> {
        let arrays = Arrays { y, x, weights, factors, terms };
        let input = arrays.input()?;
        let inner = detached(py, || KernelProblem::new(&input))?;
        Ok(Self { inner })
    }

    #[getter]
    fn n_theta(&self) -> usize {
        self.inner.n_theta()
    }

    #[getter]
    fn kept(&self) -> Vec<usize> {
        self.inner.rank.kept.clone()
    }

    /// Criterion and its gradient at theta (lme4's order, the user's columns).
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
    ) -> PyResult<(f64, Bound<'py, PyArray1<f64>>)> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let (value, gradient) = detached(py, || {
            check_parameters(&self.inner, theta)?;
            Objective::new(&self.inner, reml).evaluate(theta)
        })?;
        Ok((value, gradient.into_pyarray(py)))
    }

    /// Estimates at theta without optimizing.
    fn solve<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        reml: bool,
    ) -> PyResult<Bound<'py, PyDict>> {
        let theta = theta.as_slice().map_err(|_| not_contiguous("theta"))?;
        let solution = detached(py, || Solution::new(&self.inner, &self.to_kernel(theta)?, reml))?;
        self.solution_dict(py, solution)
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
        let (optimum, solution) = detached(py, || {
            let start = start.map(|s| self.to_kernel(s)).transpose()?;
            let optimum = optimize(&self.inner, reml, start.as_deref(), &control)?;
            let solution = Solution::new(&self.inner, &optimum.theta, reml)?;
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
        out.set_item("trace", trace)?;

        let certificate = PyDict::new(py);
        certificate.set_item("converged", optimum.certificate.passed())?;
        certificate.set_item("gap", optimum.certificate.gap)?;
        certificate.set_item("gradient_norm", optimum.certificate.gradient_norm)?;
        certificate.set_item("hessian_eigenvalue", optimum.certificate.lowest_curvature)?;
        certificate.set_item("reason", optimum.certificate.reason)?;
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
        curvature
            .set_item("log_pwrss_derivative", optimum.curvature.log_pwrss_gradient.into_pyarray(py))?;
        curvature.set_item("active", optimum.curvature.active)?;
        out.set_item("curvature", curvature)?;
        Ok(out)
    }
}

#[pymodule]
fn _kernel(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<Problem>()?;
    m.add("KernelError", m.py().get_type::<KernelError>())?;
    Ok(())
}
