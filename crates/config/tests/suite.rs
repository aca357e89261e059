//! What holds for the loader as a whole: its table, its manual, and what it says of whole files.

#[path = "suite/docs.rs"]
mod docs;
#[path = "suite/golden.rs"]
mod golden;
#[path = "suite/machine.rs"]
mod machine;
#[path = "suite/main_context.rs"]
mod main_context;
#[path = "suite/prefixes.rs"]
mod prefixes;
#[path = "suite/sources.rs"]
mod sources;
#[path = "suite/table.rs"]
mod table;
