//! Pre-access: `limit_conn`, counting sessions by key until they end.

use syntax::Level;

use super::Session;
use super::fail::Cause;
use crate::log::text_of;

/// `$limit_conn_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Within every limit.
    Passed,
    /// Over one.
    Rejected,
    /// Over one that is only tried out.
    RejectedDryRun,
}

impl Status {
    /// As the variable says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Passed => "PASSED",
            Self::Rejected => "REJECTED",
            Self::RejectedDryRun => "REJECTED_DRY_RUN",
        }
    }
}

/// The longest key that is counted.
const LONGEST_KEY: usize = 255;

/// Takes a slot in each zone, or refuses the session and gives back those taken.
pub(super) fn count(s: &Session) -> super::Phase {
    let conf = &s.server().conf.limit_conn;
    for rule in conf.rules.iter() {
        let zone = s.generation.plan.limit_zone(rule.zone);
        let key = s.render(&zone.conf.key);
        if key.is_empty() {
            continue;
        }
        if key.len() > LONGEST_KEY {
            s.log(
                Level::Error,
                format_args!(
                    "the value of the \"{}\" key is more than 255 bytes: \"{}\"",
                    zone.conf.key_text,
                    text_of(&key)
                ),
            );
            continue;
        }
        let rare = s.rare();
        rare.limit_status.set(Some(Status::Passed));
        match zone.counts.try_acquire(&key, rule.limit) {
            Ok(slot) => rare.slots.borrow_mut().push(slot),
            Err(_) if conf.dry_run => {
                rare.slots.borrow_mut().clear();
                rare.limit_status.set(Some(Status::RejectedDryRun));
                s.log(conf.log_level, format_args!("limiting connections, dry run, by zone \"{}\"", zone.conf.name));
                return Ok(());
            }
            Err(refused) => {
                rare.slots.borrow_mut().clear();
                rare.limit_status.set(Some(Status::Rejected));
                return Err(if refused.is_full() {
                    Cause::LimitFull
                } else {
                    Cause::Limited(zone.conf.name.clone(), conf.log_level)
                });
            }
        }
    }
    Ok(())
}
