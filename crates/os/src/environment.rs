//! The environment of this process, as a whole.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;

/// Makes the environment hold nothing but `variables`; of several with one name the first. What C strings cannot
/// hold, or has no name, is left out. The time zone stays the one that was known before. To be called while there is
/// one thread only.
pub fn replace(variables: impl IntoIterator<Item = (OsString, OsString)>) {
    let string = |text: OsString| CString::new(text.into_vec());
    // Known from then on.
    crate::time::local(0);
    // Taken first: they may lie where the environment does.
    let variables: Vec<_> = variables.into_iter().map(|(name, value)| (string(name), string(value))).collect();
    // SAFETY: there is one thread, so that nobody else looks; the strings are copied.
    unsafe {
        libc::clearenv();
        for (name, value) in variables {
            if let (Ok(name), Ok(value)) = (name, value) {
                libc::setenv(name.as_ptr(), value.as_ptr(), 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Marks the process that the test starts, which has nothing else to do.
    const ALONE: &str = "LOCKGATE_TEST_ENVIRONMENT";

    #[test]
    fn what_is_left() {
        if std::env::var_os(ALONE).is_some() {
            let variables = [("A", "1"), ("A", "2"), ("", "x"), ("TZ", "UTC-5:30"), ("B\0", "x")];
            replace(variables.map(|(name, value)| (name.into(), value.into())));
            let left: Vec<_> = std::env::vars().collect();
            assert_eq!(left, [("A".into(), "1".into()), ("TZ".into(), "UTC-5:30".into())]);
            return assert_eq!(crate::time::local(0).offset, 3600);
        }
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "environment::tests::what_is_left", "--test-threads=1"]);
        let output = itself.env(ALONE, "1").env("TZ", "UTC-1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}
