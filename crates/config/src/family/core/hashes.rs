//! `*_hash_max_size` and `*_hash_bucket_size`: no table here has such a size, but what nginx tells of tables of these
//! sizes is told.

use policy::hash_size::{Misfit, Sizes};
use syntax::Diagnostic;

use crate::load::Loader;

/// The sizes while they are read.
#[derive(Debug, Default)]
pub(crate) struct HashSizes {
    pub(super) names_max: Option<usize>,
    pub(super) names_bucket: Option<usize>,
    pub(super) variables_max: Option<usize>,
    pub(super) variables_bucket: Option<usize>,
    pub(super) map_max: Option<usize>,
    pub(super) map_bucket: Option<usize>,
}

impl HashSizes {
    /// Those of maps, which are settled from then on.
    pub(crate) fn of_maps(&mut self) -> Sizes {
        Sizes::new(*self.map_max.get_or_insert(2048), *self.map_bucket.get_or_insert(64))
    }

    /// Those of server names.
    pub(crate) fn of_names(&self) -> Sizes {
        Sizes::new(self.names_max.unwrap_or(512), self.names_bucket.unwrap_or(64))
    }

    /// Those of variables.
    pub(crate) fn of_variables(&self) -> Sizes {
        Sizes::new(self.variables_max.unwrap_or(1024), self.variables_bucket.unwrap_or(64))
    }
}

/// Tells what is wrong with `sizes` for tables that are called `table`; all but what is not optimal is refused.
pub(crate) fn tell(loader: &mut Loader<'_>, table: &str, sizes: Sizes, misfits: Vec<Misfit>) -> Result<(), Diagnostic> {
    let (max, bucket) = (sizes.max(), sizes.bucket());
    for misfit in misfits {
        let what = match misfit {
            Misfit::Buckets => format!("you should increase {table}_max_size: {max}"),
            Misfit::LargeBuckets => format!("too large {table}_bucket_size: {bucket}"),
            Misfit::SmallBuckets => format!("you should increase {table}_bucket_size: {bucket}"),
            Misfit::NotOptimal => {
                loader.warn_bare(format!(
                    "could not build optimal {table}, you should increase either {table}_max_size: {max} or \
                     {table}_bucket_size: {bucket}; ignoring {table}_bucket_size"
                ));
                continue;
            }
        };
        return Err(Diagnostic::emerg(format!("could not build {table}, {what}")));
    }
    Ok(())
}
