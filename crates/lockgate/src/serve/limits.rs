//! Limits and places that the main context asks for those who serve.

use engine::plan::Plan;
use syntax::Level;

use crate::instance::Refused;
use crate::report::Report;

/// Takes them for this process.
pub(super) fn take(plan: &Plan, report: &Report) -> Result<(), Refused> {
    let main = &plan.main;
    let tell = |call: &str, error: &std::io::Error| {
        report.line(Level::Alert, &format!("{call} failed{}", engine::log::errno(error)));
    };
    if let Err(error) = engine::memory::watch()
        && plan.limits.memory.is_some()
    {
        tell("open() \"/proc/self/statm\"", &error);
    }
    if let Some(files) = main.rlimit_nofile
        && let Err(error) = os::process::set_nofile(files)
    {
        tell(&format!("setrlimit(RLIMIT_NOFILE, {files})"), &error);
    }
    if let Some(bytes) = main.rlimit_core
        && let Err(error) = os::process::set_core(bytes)
    {
        tell(&format!("setrlimit(RLIMIT_CORE, {bytes})"), &error);
    }
    if let Some(priority) = main.priority
        && let Err(error) = os::process::set_priority(priority)
    {
        tell(&format!("setpriority({priority})"), &error);
    }
    if let Some(directory) = &main.working_directory
        && let Err(error) = std::env::set_current_dir(directory)
    {
        tell(&format!("chdir(\"{}\")", directory.display()), &error);
        return Err(Refused);
    }
    Ok(())
}
