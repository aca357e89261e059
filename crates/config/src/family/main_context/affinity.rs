//! `worker_cpu_affinity`.

use super::CpuMask;
use crate::load::{Line, Loader, Refusal};
use crate::value::duplicate;

/// How many processors a mask can name.
const MOST: u32 = u64::BITS;

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
    let mut mask = 0;
    for (cpu, digit) in digits().enumerate() {
        match digit {
            b'0' => {}
            b'1' => mask |= 1 << cpu,
            other => {
                let other = char::from(*other);
                return Err(refuse(format!("invalid character \"{other}\" in \"worker_cpu_affinity\"")));
            }
        }
    }
    Ok(CpuMask(mask))
}

impl Affinity {
    /// The masks of this many workers; none leaves all workers where they are.
    pub(super) fn of_workers(self, workers: u32, loader: &mut Loader<'_>) -> Vec<CpuMask> {
        match self {
            Self::Masks(masks) => {
                if masks.len() > 1 && masks.len() != workers as usize {
                    loader.warn_bare(
                        "the number of \"worker_processes\" is not equal to the number of \"worker_cpu_affinity\" \
                         masks, using last mask for remaining worker processes"
                            .to_owned(),
                    );
                }
                masks
            }
            Self::Auto(among) => {
                let online = loader.world.online_cpus();
                let among = match among {
                    Some(mask) => mask,
                    None if online < MOST => CpuMask((1 << online) - 1),
                    None if online == MOST => CpuMask(u64::MAX),
                    // There are more than a mask can name: better none than a part of them.
                    None => return Vec::new(),
                };
                let cpus = (0..MOST).filter(|cpu| among.0 & (1 << cpu) != 0);
                let cpus: Vec<_> = cpus.map(|cpu| CpuMask(1 << cpu)).collect();
                cpus.iter().copied().cycle().take(if cpus.is_empty() { 0 } else { workers as usize }).collect()
            }
        }
    }
}
