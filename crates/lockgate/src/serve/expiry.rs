//! Warning of certificates that are about to expire: once each within 30 days, within 7 days, and when it is too late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::plan::Plan;
use syntax::Level;

/// How often certificates are looked through.
const LOOK: Duration = Duration::from_secs(3600);
const DAY: i64 = 86_400;
/// Days before the end at which a warning is due.
const WARNINGS: [i64; 2] = [7, 30];

/// What was told already.
#[derive(Debug)]
pub(super) struct Expiry {
    next: Instant,
    /// The stage each certificate has reached, with its date: a renewed one begins anew.
    told: BTreeMap<String, (i64, usize)>,
}

impl Default for Expiry {
    fn default() -> Self {
        Self { next: Instant::now(), told: BTreeMap::new() }
    }
}

impl Expiry {
    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Tells the error log of `plan` what has come nearer since the last time.
    pub(super) fn tell(&mut self, plan: &Plan) {
        self.next = Instant::now() + LOOK;
        let (now, _) = os::time::realtime();
        for text in self.news(plan.expiries(), now) {
            plan.error_log.write(Level::Warn, None, text.as_bytes());
        }
    }

    /// What there is to tell at `now` of certificates that expire at these times.
    fn news(&mut self, expiries: BTreeMap<String, i64>, now: i64) -> Vec<String> {
        let mut news = Vec::new();
        let mut told = BTreeMap::new();
        for (name, at) in expiries {
            let left = at - now;
            let Some(stage) = stage(left) else { continue };
            if self.told.get(&name).is_none_or(|(then, known)| *then != at || *known > stage) {
                news.push(match left {
                    ..0 => format!("certificate \"{name}\" has expired"),
                    _ => format!("certificate \"{name}\" expires {}", when(left / DAY)),
                });
            }
            told.insert(name, (at, stage));
        }
        self.told = told;
        news
    }
}

/// In how many whole days.
fn when(days: i64) -> String {
    match days {
        0 => "within a day".to_owned(),
        1 => "in 1 day".to_owned(),
        days => format!("in {days} days"),
    }
}

/// The smaller, the nearer; none while there is time.
fn stage(left: i64) -> Option<usize> {
    if left < 0 {
        return Some(0);
    }
    WARNINGS.iter().position(|days| left <= days * DAY).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_is_told_once() {
        let mut expiry = Expiry::default();
        let mut at = |day: i64, end: i64| expiry.news([("c".to_owned(), end * DAY)].into(), day * DAY);
        assert!(at(0, 100).is_empty() && at(69, 100).is_empty());
        assert_eq!(at(70, 100), ["certificate \"c\" expires in 30 days"]);
        assert!(at(71, 100).is_empty() && at(92, 100).is_empty());
        assert_eq!(at(93, 100), ["certificate \"c\" expires in 7 days"]);
        assert!(at(99, 100).is_empty());
        assert_eq!(at(101, 100), ["certificate \"c\" has expired"]);
        assert!(at(102, 100).is_empty());
        assert_eq!(at(102, 103), ["certificate \"c\" expires in 1 day"], "another one");
        assert_eq!(at(102, 102), ["certificate \"c\" expires within a day"]);
        assert!(at(102, 1000).is_empty());
    }
}
