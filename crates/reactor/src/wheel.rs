//! A timing wheel: four levels of 64 slots, a millisecond each at the finest. Setting and
//! cancelling cost the same however many timers there are; none fires early.

use crate::executor::TaskId;
use crate::slab::Slab;

const LEVELS: usize = 4;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
/// The farthest a timer is filed; a later one is filed again when it comes up. One slot less than
/// the whole round, so that nothing is filed into the slot that is being looked at.
const FARTHEST: u64 = (SLOTS as u64 - 1) << (BITS as u64 * (LEVELS as u64 - 1));
const NONE: u32 = u32::MAX;

/// A timer in the wheel.
#[derive(Debug)]
pub(crate) struct Entry {
    /// When it is to fire.
    deadline: u64,
    /// When the wheel will look at it: not after `deadline`.
    filed: u64,
    next: u32,
    previous: u32,
    list: Option<(u8, u8)>,
    /// Fired, and not set since.
    pub(crate) fired: bool,
    /// Who waits for it.
    pub(crate) task: Option<TaskId>,
}

#[derive(Debug)]
struct Level {
    occupied: u64,
    heads: [u32; SLOTS],
}

/// All timers of a thread.
#[derive(Debug)]
pub(crate) struct Wheel {
    now: u64,
    levels: [Level; LEVELS],
    pub(crate) entries: Slab<Entry>,
}

impl Wheel {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
            levels: std::array::from_fn(|_| Level { occupied: 0, heads: [NONE; SLOTS] }),
            entries: Slab::default(),
        }
    }

    /// A timer that is not set.
    pub(crate) fn create(&mut self) -> u32 {
        let entry = Entry { deadline: 0, filed: 0, next: NONE, previous: NONE, list: None, fired: false, task: None };
        self.entries.insert(entry).index
    }

    pub(crate) fn destroy(&mut self, index: u32) {
        self.unlink(index);
        self.entries.remove(index);
    }

    /// Sets a timer. Moving one that is set to a later time only notes that time.
    pub(crate) fn set(&mut self, index: u32, deadline: u64) {
        let Some(entry) = self.entries.at(index) else { return };
        entry.deadline = deadline;
        entry.fired = false;
        if entry.list.is_none() || deadline < entry.filed {
            self.unlink(index);
            self.file(index);
        }
    }

    pub(crate) fn cancel(&mut self, index: u32) {
        self.unlink(index);
        if let Some(entry) = self.entries.at(index) {
            entry.fired = false;
        }
    }

    pub(crate) fn is_set(&mut self, index: u32) -> bool {
        self.entries.at(index).is_some_and(|entry| entry.list.is_some() || entry.fired)
    }

    fn file(&mut self, index: u32) {
        let now = self.now;
        let Some(entry) = self.entries.at(index) else { return };
        // What is due already comes up at the next tick.
        let at = entry.deadline.clamp(now + 1, now + FARTHEST);
        let differing = (now ^ at) | (SLOTS as u64 - 1);
        let level = (differing.ilog2() / BITS).min(LEVELS as u32 - 1) as usize;
        let slot = (at >> (BITS as usize * level)) as usize % SLOTS;
        entry.filed = at;
        entry.list = Some((level as u8, slot as u8));
        entry.previous = NONE;
        let Some(level) = self.levels.get_mut(level) else { return };
        let Some(head) = level.heads.get_mut(slot) else { return };
        let old = std::mem::replace(head, index);
        level.occupied |= 1 << slot;
        if let Some(entry) = self.entries.at(index) {
            entry.next = old;
        }
        if let Some(old) = self.entries.at(old) {
            old.previous = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(entry) = self.entries.at(index) else { return };
        let Some((level, slot)) = entry.list.take() else { return };
        let (next, previous) = (entry.next, entry.previous);
        if let Some(next) = self.entries.at(next) {
            next.previous = previous;
        }
        if let Some(previous) = self.entries.at(previous) {
            previous.next = next;
        } else if let Some(level) = self.levels.get_mut(usize::from(level)) {
            if let Some(head) = level.heads.get_mut(usize::from(slot)) {
                *head = next;
            }
            if next == NONE {
                level.occupied &= !(1 << slot);
            }
        }
    }

    /// The next slot with timers in it: its level, its number, and when it comes up.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0).map(|(number, level)| {
            let shift = BITS as usize * number;
            let here = (self.now >> shift) as u32 % SLOTS as u32;
            let ahead = level.occupied.rotate_right(here).trailing_zeros();
            let slot = (here + ahead) as usize % SLOTS;
            let span = 1_u64 << shift;
            let round = span << BITS;
            let mut at = self.now / round * round + slot as u64 * span;
            if at < self.now / span * span {
                at += round;
            }
            (number, slot, at)
        })
    }

    /// When something has to be looked at next, if anything is set.
    pub(crate) fn next(&self) -> Option<u64> {
        self.next_slot().map(|(_, _, at)| at.max(self.now + 1))
    }

    /// Goes on to `now`; who waits for timers that fire by then is added to `woken`.
    pub(crate) fn advance(&mut self, now: u64, woken: &mut Vec<TaskId>) {
        while let Some((number, slot, at)) = self.next_slot() {
            if at > now {
                break;
            }
            self.now = self.now.max(at);
            let Some(level) = self.levels.get_mut(number) else { break };
            level.occupied &= !(1 << slot);
            let Some(head) = level.heads.get_mut(slot) else { break };
            let newest = std::mem::replace(head, NONE);
            let mut index = self.oldest(newest);
            while let Some(entry) = self.entries.at(index) {
                let next = entry.previous;
                entry.list = None;
                if entry.deadline <= self.now {
                    entry.fired = true;
                    woken.extend(entry.task);
                } else {
                    self.file(index);
                }
                index = next;
            }
        }
        self.now = self.now.max(now);
    }

    /// The end of the list that begins with `newest`.
    fn oldest(&mut self, newest: u32) -> u32 {
        let mut index = newest;
        while let Some(entry) = self.entries.at(index).filter(|entry| entry.next != NONE) {
            index = entry.next;
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut Wheel, index: u32) -> bool {
        wheel.entries.at(index).is_some_and(|entry| entry.fired)
    }

    #[test]
    fn never_early_and_not_late_at_any_distance() {
        for start in [0, 63, 4095, 1_000_003] {
            for distance in [1, 2, 63, 64, 65, 4095, 4096, 4097, 262_143, 262_144, 16_777_215, 16_777_216, 40_000_000] {
                let mut wheel = Wheel::new(start);
                let timer = wheel.create();
                wheel.set(timer, start + distance);
                let mut now = start;
                while let Some(next) = wheel.next() {
                    assert!(next > now, "{start} {distance}: stuck at {now}");
                    now = next;
                    wheel.advance(now, &mut Vec::new());
                    assert_eq!(fired(&mut wheel, timer), now >= start + distance, "{start} {distance} {now}");
                }
                assert_eq!(now, start + distance);
            }
        }
    }

    #[test]
    fn a_later_time_only_moves_the_deadline() {
        let mut wheel = Wheel::new(0);
        let timer = wheel.create();
        wheel.set(timer, 100);
        wheel.set(timer, 500);
        wheel.advance(499, &mut Vec::new());
        assert!(!fired(&mut wheel, timer));
        wheel.set(timer, 510);
        wheel.advance(509, &mut Vec::new());
        assert!(!fired(&mut wheel, timer));
        wheel.advance(510, &mut Vec::new());
        assert!(fired(&mut wheel, timer));
    }

    /// Against a plain list, with a seeded sequence of operations.
    #[test]
    fn the_same_as_a_list() {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        let mut wheel = Wheel::new(7);
        let timers: Vec<u32> = (0..50).map(|_| wheel.create()).collect();
        let mut model: Vec<Option<u64>> = vec![None; timers.len()];
        let mut now = 7;
        for _ in 0..20_000 {
            let which = random(timers.len() as u64) as usize;
            match random(4) {
                0 | 1 => {
                    let bits = random(24);
                    let at = now + random(1 << bits);
                    wheel.set(timers[which], at);
                    model[which] = Some(at);
                }
                2 => {
                    wheel.cancel(timers[which]);
                    model[which] = None;
                }
                _ => {
                    let bits = random(16);
                    now += 1 + random(1 << bits);
                    wheel.advance(now, &mut Vec::new());
                    for (timer, deadline) in timers.iter().zip(&mut model) {
                        let due = deadline.is_some_and(|at| at <= now);
                        assert_eq!(fired(&mut wheel, *timer), due);
                        if due {
                            wheel.cancel(*timer);
                            *deadline = None;
                        }
                    }
                }
            }
        }
    }
}
