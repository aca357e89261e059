//! Black-box tests on the real binary, one file per directive family.
