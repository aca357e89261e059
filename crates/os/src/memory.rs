//! The memory of this process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the kernel says how much memory is in use; opened while files still can be.
#[derive(Debug)]
pub struct Usage {
    statm: File,
    page: usize,
}

impl Usage {
    /// That of the process that calls this; not of one that it splits off later.
    pub fn open() -> io::Result<Self> {
        // SAFETY: no pointers are involved.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Ok(Self { statm: File::open("/proc/self/statm")?, page: usize::try_from(page).unwrap_or(4096) })
    }

    /// Bytes of memory in use (resident) now.
    pub fn resident(&self) -> io::Result<usize> {
        let mut text = [0; 128];
        let length = self.statm.read_at(&mut text, 0)?;
        let text = str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default();
        let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
        pages.map(|pages| pages * self.page).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Has the allocator give back what nobody uses.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_grows_with_what_is_touched() {
        const SIZE: usize = 64 << 20;
        let usage = Usage::open().unwrap();
        let before = usage.resident().unwrap();
        let touched = std::hint::black_box(vec![1_u8; SIZE]);
        let during = usage.resident().unwrap();
        assert!(before > 0 && during > before + SIZE / 2, "{before} {during}");
        drop(touched);
        trim();
        assert!(usage.resident().unwrap() < during);
    }
}
