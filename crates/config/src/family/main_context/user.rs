//! `user`: whom to run as.

use std::io;

use syntax::Diagnostic;

use super::User;
use crate::World;
use crate::load::{Line, Loader, Refusal};
use crate::value::duplicate;

/// Whom to run as where nothing is said.
const USER: &str = "nobody";
/// That user's group, on the systems that have such a one; on others it has the user's name.
const GROUP: &str = "nogroup";

pub(super) fn read(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.main.user.is_some() {
        return Err(duplicate());
    }
    if !loader.world.is_root() {
        let ignored = "the \"user\" directive makes sense only if the master process runs with super-user \
                       privileges, ignored";
        loader.warn(line, ignored.to_owned());
        return Ok(());
    }
    let name = line.text(0);
    let uid = uid(&name, loader.world).map_err(|message| Refusal::Word(0, message, None))?;
    let group = usize::from(line.args().len() > 1);
    let gid = gid(&line.text(group), loader.world).map_err(|message| Refusal::Word(group, message, None))?;
    loader.main.user = Some(User { name, uid, gid });
    Ok(())
}

/// Whom root runs as where nothing is said.
pub(super) fn default(world: &dyn World) -> Result<User, Diagnostic> {
    let uid = uid(USER, world).map_err(Diagnostic::emerg)?;
    let gid = gid(GROUP, world).or_else(|message| gid(USER, world).map_err(|_| Diagnostic::emerg(message)))?;
    Ok(User { name: USER.to_owned(), uid, gid })
}

fn uid(name: &str, world: &dyn World) -> Result<u32, String> {
    found(world.user(name), "getpwnam", name)
}

fn gid(name: &str, world: &dyn World) -> Result<u32, String> {
    found(world.group(name), "getgrnam", name)
}

fn found(found: io::Result<Option<u32>>, call: &str, name: &str) -> Result<u32, String> {
    match found {
        Ok(Some(number)) => Ok(number),
        Ok(None) => Err(format!("{call}(\"{name}\") failed")),
        Err(error) => Err(format!("{call}(\"{name}\") failed ({})", reason(&error))),
    }
}

/// `2: No such file or directory`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match error.raw_os_error() {
        Some(code) => format!("{code}: {}", text.trim_end_matches(&format!(" (os error {code})"))),
        None => text,
    }
}
