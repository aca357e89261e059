//! The whole space of addresses cut into runs with one value each: what both ways to write a
//! `geo` come down to. A look-up is one binary search.

/// Runs in ascending order; each ends where the next begins.
#[derive(Debug)]
pub(super) struct Segments<T> {
    starts: Box<[T]>,
    values: Box<[u32]>,
}

impl<T: Copy + Ord> Segments<T> {
    /// From the starts of runs in ascending order; of runs with the same start the last counts.
    pub(super) fn new(runs: impl IntoIterator<Item = (T, u32)>) -> Self {
        let mut starts: Vec<T> = Vec::new();
        let mut values = Vec::new();
        for (start, value) in runs {
            if starts.last() == Some(&start) {
                starts.pop();
                values.pop();
            }
            if values.last() != Some(&value) {
                starts.push(start);
                values.push(value);
            }
        }
        Self { starts: starts.into(), values: values.into() }
    }

    /// The value of the run that `at` lies in.
    pub(super) fn find(&self, at: T) -> Option<u32> {
        let after = self.starts.partition_point(|start| *start <= at);
        self.values.get(after.checked_sub(1)?).copied()
    }
}
