//! Error numbers that are told apart, and their words.

pub use libc::{EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM};

/// The system's words for an error number, as `strerror` gives them in the C locale.
pub fn text(number: i32) -> String {
    let whole = std::io::Error::from_raw_os_error(number).to_string();
    match whole.rfind(" (os error") {
        Some(end) => whole[..end].to_owned(),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words() {
        assert_eq!(super::text(111), "Connection refused");
        assert_eq!(super::text(98), "Address already in use");
    }
}
