//! What a server agrees to of a `ClientHello`, as OpenSSL would. AWS-LC lets the client's order of groups count for
//! more than the key shares that are there, never lets the server's order of TLS 1.3 suites count nor the client's of
//! signatures, and knows no gaps between versions. Where its choice would be another one, it is left no other.

use crate::hello::{ClientHello, vector};

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// What a client offers.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    versions: Vec<u16>,
    groups: Vec<u16>,
    /// The groups that there are key shares for.
    shares: Vec<u16>,
    ciphers: Vec<u16>,
    sigalgs: Vec<u16>,
}

/// What a server takes.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// Versions, newest first.
    pub(crate) versions: Vec<u16>,
    /// Groups, in order of preference.
    pub(crate) groups: Vec<u16>,
    /// Suites of TLS 1.3, in order of preference.
    pub(crate) suites: Vec<u16>,
    /// Signatures that it makes, in order of preference.
    pub(crate) sigalgs: Vec<u16>,
    /// Whether the server's order counts for suites, groups and signatures.
    pub(crate) prefers_own: bool,
}

/// What the library has to be told, as it would choose something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) version: Option<u16>,
    pub(crate) group: Option<u16>,
    pub(crate) suite: Option<u16>,
    /// The first of these that one of the keys can make; empty where there are none in common.
    pub(crate) sigalgs: Vec<u16>,
}

impl Offer {
    pub(crate) fn of(hello: &ClientHello<'_>) -> Self {
        let versions = match hello.supported_versions {
            Some(list) => numbers(list.get(1..).unwrap_or_default()),
            None => (0x0301..=hello.legacy_version.min(TLS12)).collect(),
        };
        Self {
            versions,
            groups: hello.groups.and_then(vector).map(numbers).unwrap_or_default(),
            shares: hello.key_shares.and_then(vector).map(share_groups).unwrap_or_default(),
            ciphers: numbers(hello.ciphers),
            sigalgs: hello.sigalgs.and_then(vector).map(numbers).unwrap_or_default(),
        }
    }
}

fn numbers(list: &[u8]) -> Vec<u16> {
    list.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
}

/// The groups of a list of key shares (RFC 8446 §4.2.8), as far as it makes sense.
fn share_groups(mut rest: &[u8]) -> Vec<u16> {
    let mut groups = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = *head;
        groups.push(u16::from_be_bytes([a, b]));
        rest = tail.get(usize::from(u16::from_be_bytes([c, d]))..).unwrap_or_default();
    }
    groups
}

impl Terms {
    /// Whether some version is taken, an older and a newer one as well, but not one between.
    fn have_gap(&self) -> bool {
        self.versions.windows(2).any(|pair| matches!(pair, [newer, older] if newer - older > 1))
    }

    /// The newest version of both sides.
    fn version(&self, offer: &Offer) -> Option<u16> {
        self.versions.iter().copied().find(|version| offer.versions.contains(version))
    }

    /// What comes of an offer to a connection that takes `groups`; `None` if there is no version in common.
    pub(crate) fn agree(&self, offer: &Offer, groups: &[u16]) -> Option<Agreement> {
        let version = self.version(offer)?;
        let mut agreement = Agreement { version: self.have_gap().then_some(version), ..Agreement::default() };
        if version >= TLS12 {
            agreement.sigalgs = self.sigalgs(offer);
        }
        if version == TLS13 {
            agreement.group = self.group(offer, groups);
            agreement.suite = self.suite(offer);
        }
        Some(agreement)
    }

    /// A group that has a key share saves a round trip; else the server's order counts.
    fn group(&self, offer: &Offer, groups: &[u16]) -> Option<u16> {
        let both = |group: &&u16| groups.contains(group) && offer.groups.contains(group);
        let (ours, theirs) = (groups.iter(), offer.groups.iter());
        let library = if self.prefers_own { ours.clone().find(both) } else { theirs.clone().find(both) };
        let wanted = offer.shares.iter().find(both).or_else(|| ours.clone().find(both));
        wanted.copied().filter(|wanted| Some(wanted) != library)
    }

    /// The signatures of both sides, in the order of the side that counts.
    fn sigalgs(&self, offer: &Offer) -> Vec<u16> {
        let (first, other) =
            if self.prefers_own { (&self.sigalgs, &offer.sigalgs) } else { (&offer.sigalgs, &self.sigalgs) };
        let mut both = Vec::with_capacity(first.len());
        for number in first {
            if other.contains(number) && !both.contains(number) {
                both.push(*number);
            }
        }
        both
    }

    /// The first of the server's suites, where its order counts.
    fn suite(&self, offer: &Offer) -> Option<u16> {
        let ours = self.suites.iter().copied();
        let mut both = ours.filter(|suite| offer.ciphers.contains(suite));
        let first = both.next().filter(|_| self.prefers_own)?;
        both.next().map(|_| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X25519: u16 = 29;
    const P256: u16 = 23;
    const P384: u16 = 24;

    fn terms(groups: &[u16], prefers_own: bool) -> Terms {
        Terms {
            versions: vec![TLS13, TLS12],
            groups: groups.to_vec(),
            suites: vec![0x1302, 0x1303, 0x1301],
            sigalgs: vec![0x0403, 0x0804, 0x0805],
            prefers_own,
        }
    }

    fn offer(groups: &[u16], shares: &[u16]) -> Offer {
        Offer {
            versions: vec![TLS13, TLS12],
            groups: groups.to_vec(),
            shares: shares.to_vec(),
            ciphers: vec![0x1301, 0x1302, 0xC02F],
            sigalgs: vec![0x0805, 0x0201, 0x0403, 0x0805],
        }
    }

    fn group(ours: &[u16], theirs: &[u16], shares: &[u16], prefers_own: bool) -> Option<u16> {
        terms(ours, prefers_own).agree(&offer(theirs, shares), ours).unwrap().group
    }

    #[test]
    fn key_shares_decide_and_then_the_order_of_the_server() {
        assert_eq!(group(&[P384, P256], &[X25519, P256, P384], &[X25519], false), Some(P384));
        assert_eq!(group(&[P384, P256], &[X25519, P256, P384], &[P256], false), None);
        assert_eq!(group(&[P384, P256], &[X25519, P256, P384], &[P256], true), Some(P256));
        assert_eq!(group(&[X25519, P256], &[P256, X25519], &[X25519], false), Some(X25519));
        assert_eq!(group(&[X25519], &[P256], &[P256], false), None);
    }

    #[test]
    fn suites_of_the_server_count_where_it_prefers_its_own() {
        let offer = offer(&[X25519], &[X25519]);
        assert_eq!(terms(&[X25519], true).agree(&offer, &[X25519]).unwrap().suite, Some(0x1302));
        assert_eq!(terms(&[X25519], false).agree(&offer, &[X25519]).unwrap().suite, None);
    }

    #[test]
    fn signatures_are_in_the_order_of_the_side_that_counts() {
        let offer = offer(&[X25519], &[X25519]);
        assert_eq!(terms(&[X25519], false).agree(&offer, &[X25519]).unwrap().sigalgs, [0x0805, 0x0403]);
        assert_eq!(terms(&[X25519], true).agree(&offer, &[X25519]).unwrap().sigalgs, [0x0403, 0x0805]);
    }

    #[test]
    fn gaps_between_versions_are_no_bound() {
        let gap = Terms { versions: vec![TLS13, 0x0301], ..Terms::default() };
        let of = |versions: &[u16]| gap.agree(&Offer { versions: versions.to_vec(), ..Offer::default() }, &[]);
        assert_eq!(of(&[TLS13, TLS12]).unwrap().version, Some(TLS13));
        assert_eq!(of(&[TLS12, 0x0302, 0x0301]).unwrap().version, Some(0x0301));
        assert_eq!(of(&[TLS12]), None);
    }

    #[test]
    fn offers_are_read_as_far_as_they_make_sense() {
        let hello = ClientHello {
            legacy_version: 0x0303,
            key_shares: Some(&[0, 11, 0, 29, 0, 1, 9, 0, 23, 0, 2, 1, 2]),
            groups: Some(&[0, 4, 0, 29, 0, 23]),
            ..ClientHello::default()
        };
        let offer = Offer::of(&hello);
        assert_eq!((offer.shares, offer.groups), (vec![29, 23], vec![29, 23]));
        assert_eq!(offer.versions, [0x0301, 0x0302, 0x0303]);
        for cut in 0..13 {
            assert!(share_groups(&[0, 29, 0, 1, 9, 0, 23, 0, 2, 1, 2, 7, 7][..cut]).len() <= 3);
        }
    }
}
