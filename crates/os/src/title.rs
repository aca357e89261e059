//! The title of this process: what ps(1) shows in place of its command line.

/// The room that the kernel has laid the words and the environment of this process in.
#[derive(Debug)]
pub struct Title {
    start: usize,
    size: usize,
}

impl Title {
    /// Takes the room; the words of the command line are lost with the first title. To be called while there is one
    /// thread only.
    pub fn take() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let (start, size) = room(&stat)?;
        crate::environment::replace(std::env::vars_os());
        Some(Self { start, size })
    }

    /// Shows `text`, as much of it as there is room for.
    pub fn set(&self, text: &[u8]) {
        let length = text.len().min(self.size - 1);
        // SAFETY: the kernel says that this is where words and environment lie; the environment was moved, and the
        // words are not asked for any more, so that nobody else reads or writes there.
        unsafe {
            let room = std::ptr::with_exposed_provenance_mut::<u8>(self.start);
            room.write_bytes(0, self.size);
            room.copy_from_nonoverlapping(text.as_ptr(), length);
        }
    }
}

/// Where the words begin, and how far they and the environment reach together: fields 48 to 51 of `proc_pid_stat`(5).
fn room(stat: &str) -> Option<(usize, usize)> {
    let fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(45);
    let [words, words_end, environment, environment_end] =
        fields.take(4).map(|field| field.parse().ok()).collect::<Option<Vec<usize>>>()?.try_into().ok()?;
    let end = if words_end == environment { environment_end } else { words_end };
    let size = end.checked_sub(words).filter(|size| words > 0 && *size > 0)?;
    Some((words, size))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Marks the process that the test starts, which has nothing else to do.
    const ALONE: &str = "LOCKGATE_TEST_TITLE";

    #[test]
    fn a_title_takes_the_place_of_the_words() {
        if std::env::var_os(ALONE).is_some() {
            let shown = || std::fs::read("/proc/self/cmdline").unwrap();
            let title = Title::take().unwrap();
            title.set(b"gate: short");
            assert!(shown().starts_with(b"gate: short\0"));
            let long = vec![b'x'; 1 << 20];
            title.set(&long);
            let shown = shown();
            let text = shown.strip_suffix(b"\0").unwrap_or(&shown);
            assert!(text.len() > 20 && text.iter().all(|byte| *byte == b'x'), "{}", shown.escape_ascii());
            return assert_eq!(std::env::var(ALONE).unwrap(), "1");
        }
        let mut itself = Command::new(std::env::current_exe().unwrap());
        itself.args(["--exact", "title::tests::a_title_takes_the_place_of_the_words", "--test-threads=1"]);
        let output = itself.env(ALONE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn where_the_room_is() {
        let stat = |last: &str| format!("1 (a) b) S {} {last} 0", vec!["0"; 44].join(" "));
        assert_eq!(room(&stat("100 150 150 400")), Some((100, 300)));
        assert_eq!(room(&stat("100 150 160 400")), Some((100, 50)));
        assert_eq!(room(&stat("0 0 0 0")), None);
        assert_eq!(room("1 (a) S 1"), None);
    }
}
