//! `worker_cpu_affinity`.

use syntax::Diagnostic;

use super::CpuMask;
use crate::load::{Line, Loader, Refusal, Stage};
use crate::value::duplicate;

/// How many processors a mask can name.
const MOST: u32 = CpuMask::WORDS as u32 * u64::BITS;

/// What the directive says.
#[derive(Debug)]
pub(super) enum Affinity {
    /// `auto`: the processors to share out, all of them where there is no mask.
    Auto(Option<CpuMask>),
    /// A mask for each worker.
    Masks(Vec<CpuMask>),
}

pub(super) fn read(loader: &mut Loader<'_>, line: &Line<'_, '_>) -> Result<(), Refusal> {
    if loader.main.cpu_affinity.is_some() {
        return Err(duplicate());
    }
    let affinity = match (line.arg(0), line.args().len()) {
        (b"auto", 1) => Affinity::Auto(None),
        (b"auto", 2) => Affinity::Auto(Some(mask(line, 1)?)),
        (b"auto", _) => {
            let message = "invalid number of arguments in \"worker_cpu_affinity\" directive";
            return Err(Refusal::Text(message.to_owned()));
        }
        (_, masks) => Affinity::Masks((0..masks).map(|at| mask(line, at)).collect::<Result<_, _>>()?),
    };
    loader.main.cpu_affinity = Some(affinity);
    Ok(())
}

/// Digits 0 and 1, the last one for the first processor; blanks do not count.
fn mask(line: &Line<'_, '_>, index: usize) -> Result<CpuMask, Refusal> {
    let refuse = |message: String| Refusal::Word(index, message, None);
    let digits = || line.arg(index).iter().rev().filter(|byte| **byte != b' ');
    if digits().count() > MOST as usize {
        return Err(refuse(format!("\"worker_cpu_affinity\" supports up to {MOST} CPUs only")));
    }
    let mut mask = CpuMask::NONE;
    for (cpu, digit) in (0..).zip(digits()) {
        match digit {
            b'0' => {}
            b'1' => mask = mask.with(cpu),
            other => {
                let other = char::from(*other);
                return Err(refuse(format!("invalid character \"{other}\" in \"worker_cpu_affinity\"")));
            }
        }
    }
    Ok(mask)
}

impl Affinity {
    /// The masks of this many workers; none leaves all workers where they are.
    pub(super) fn of_workers(self, workers: u32, loader: &mut Loader<'_>) -> Vec<CpuMask> {
        match self {
            Self::Masks(masks) => {
                if masks.len() > 1 && masks.len() != workers as usize {
                    let unequal = "the number of \"worker_processes\" is not equal to the number of \
                                   \"worker_cpu_affinity\" masks, using last mask for remaining worker processes";
                    loader.tell_later(Stage::Read, Diagnostic::warn(unequal));
                }
                masks
            }
            Self::Auto(among) => {
                let online = loader.world.online_cpus().min(MOST);
                let among = among.unwrap_or_else(|| (0..online).fold(CpuMask::NONE, CpuMask::with));
                let cpus: Vec<_> = among.processors().map(|cpu| CpuMask::NONE.with(cpu)).collect();
                cpus.iter().copied().cycle().take(if cpus.is_empty() { 0 } else { workers as usize }).collect()
            }
        }
    }
}

impl CpuMask {
    const WORDS: usize = 16;
    /// No processor.
    pub const NONE: Self = Self([0; Self::WORDS]);

    /// These and the processor of this number, if it is one that can be named.
    #[must_use]
    pub fn with(mut self, cpu: u32) -> Self {
        if let Some(word) = self.0.get_mut((cpu / u64::BITS) as usize) {
            *word |= 1 << (cpu % u64::BITS);
        }
        self
    }

    /// Their numbers.
    pub fn processors(&self) -> impl Iterator<Item = u32> {
        let set =
            |cpu: &u32| self.0.get((cpu / u64::BITS) as usize).is_some_and(|word| word >> (cpu % u64::BITS) & 1 == 1);
        (0..MOST).filter(set)
    }
}
