//! Least squares whose coefficients are not negative, for a handful of columns.

/// What must be left of a column of length 1 beside the others, squared: more
/// than rounding leaves, and more than the noise of measured columns.
const ROUNDING: f64 = 1e-9;
const NOISE: f64 = 1e-3;

/// The coefficients x ≥ 0 that make Σ (row · x − y)² least, by trying every
/// subset of the columns: with at most four of them there are fifteen. `None`
/// where no subset has a solution.
///
/// The least is found at a subset of which the plain solution is not negative
/// (Lawson and Hanson, "Solving Least Squares Problems", chapter 23).
pub(super) fn non_negative<const N: usize>(rows: &[([f64; N], f64)]) -> Option<[f64; N]> {
    let mut best: Option<(f64, [f64; N])> = None;
    for subset in 1u32..1 << N {
        let columns: Vec<usize> = (0..N).filter(|column| subset >> column & 1 == 1).collect();
        let Some(solution) = solve(rows, &columns, ROUNDING) else { continue };
        if solution.iter().any(|value| *value < 0.0) {
            continue;
        }
        let error = squared_error(rows, &solution);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, solution));
        }
    }
    best.map(|(_, solution)| solution)
}

/// Σ (row · x − y)².
pub(super) fn squared_error<const N: usize>(rows: &[([f64; N], f64)], x: &[f64; N]) -> f64 {
    let of_row = |(row, y): &([f64; N], f64)| (row.iter().zip(x).map(|(a, x)| a * x).sum::<f64>() - y).powi(2);
    rows.iter().map(of_row).sum()
}

/// Whether the columns can be told apart: none is nearly a sum of the others.
pub(super) fn are_independent<const N: usize>(rows: &[([f64; N], f64)], columns: &[usize]) -> bool {
    solve(rows, columns, NOISE).is_some()
}

/// The plain solution in some columns, the others 0; `None` where they cannot be
/// told apart.
fn solve<const N: usize>(rows: &[([f64; N], f64)], columns: &[usize], least: f64) -> Option<[f64; N]> {
    let length = |column: usize| rows.iter().map(|(row, _)| row[column].powi(2)).sum::<f64>().sqrt();
    let lengths: Vec<f64> = columns.iter().map(|column| length(*column)).collect();
    if lengths.contains(&0.0) {
        return None;
    }
    // The normal equations of columns of length 1, the right side behind them.
    let size = columns.len();
    let mut table = vec![vec![0.0; size + 1]; size];
    for (row, y) in rows {
        for i in 0..size {
            let left = row[columns[i]] / lengths[i];
            for j in 0..size {
                table[i][j] += left * row[columns[j]] / lengths[j];
            }
            table[i][size] += left * y;
        }
    }
    for pivot in 0..size {
        if table[pivot][pivot] < least {
            return None;
        }
        let scaled: Vec<f64> = table[pivot].iter().map(|value| value / table[pivot][pivot]).collect();
        for (rank, line) in table.iter_mut().enumerate() {
            let factor = line[pivot];
            for (value, of_pivot) in line.iter_mut().zip(&scaled) {
                *value = if rank == pivot { *of_pivot } else { *value - factor * of_pivot };
            }
        }
    }
    let mut solution = [0.0; N];
    for (rank, column) in columns.iter().enumerate() {
        solution[*column] = table[rank][size] / lengths[rank];
    }
    Some(solution)
}
