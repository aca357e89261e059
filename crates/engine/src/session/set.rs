//! Pre-access: `set`, in written order, each assignment seeing those before it.

use super::Session;

/// Assigns the variables of the default server.
pub(super) fn assign(s: &Session) {
    for assignment in &s.server().conf.set {
        let value = s.render(&assignment.value);
        s.scope().set(assignment.variable, value);
    }
}
