//! Which directories sessions open files in while they run: those of certificates and logs whose paths have
//! variables. All other files are open, or read, before the first session.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use config::family::log::AccessTarget;
use config::family::ssl::{Certificate, Pem};
use policy::template::Template;

use super::Plan;

/// Directories, each with all that is beneath it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Files are read there.
    pub read: BTreeSet<PathBuf>,
    /// Files are made and written to there.
    pub write: BTreeSet<PathBuf>,
}

impl Reach {
    /// What sessions of `plan` open.
    pub fn of(plan: &Plan) -> Self {
        let mut reach = Self::default();
        for server in &plan.servers {
            let ssl = server.conf.ssl.iter().flat_map(|ssl| &ssl.certificates);
            let proxy_ssl = server.conf.proxy_ssl.iter().filter_map(|ssl| ssl.context.certificate.as_ref());
            for certificate in ssl.chain(proxy_ssl).filter(|certificate| certificate.is_evaluated()) {
                reach.certificate(&plan.conf_dir, certificate);
            }
            for log in server.conf.access_log.logs.iter() {
                if let AccessTarget::Evaluated(path) = &log.target {
                    reach.write.insert(directory(&plan.prefix, path));
                }
            }
        }
        reach
    }

    /// Whether all of `other` lies within.
    pub fn covers(&self, other: &Self) -> bool {
        let within = |ours: &BTreeSet<PathBuf>, theirs: &BTreeSet<PathBuf>| {
            theirs.iter().all(|their| ours.iter().any(|our| their.starts_with(our)))
        };
        within(&self.read, &other.read) && within(&self.write, &other.write)
    }

    fn certificate(&mut self, base: &Path, certificate: &Certificate) {
        for pem in [&certificate.chain, &certificate.key] {
            match pem {
                Pem::File(path) => self.read.extend(path.parent().map(Path::to_owned)),
                Pem::Evaluated(path) if !path.beginning().starts_with(b"data:") => {
                    self.read.insert(directory(base, path));
                }
                Pem::Evaluated(_) | Pem::Data(_) | Pem::Provider(_) => {}
            }
        }
    }
}

/// The directory that every value of `path` leads into. A value that begins with a variable may be absolute.
fn directory(base: &Path, path: &Template) -> PathBuf {
    match path.beginning() {
        [] => PathBuf::from("/"),
        beginning => {
            let known = beginning.rsplitn(2, |byte| *byte == b'/').nth(1);
            base.join(OsStr::from_bytes(known.map_or(&[], |known| if known.is_empty() { b"/" } else { known })))
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::template::Captures;
    use policy::variables::Variables;

    use super::*;

    #[test]
    fn the_directory_that_is_known() {
        let of = |text: &str| {
            let path = Template::parse(text.as_bytes(), &mut Variables::default(), Captures::Plain).unwrap();
            directory(Path::new("/etc/gate"), &path).to_str().unwrap().to_owned()
        };
        assert_eq!(of("$ssl_server_name.crt"), "/");
        assert_eq!(of("certs/$ssl_server_name.crt"), "/etc/gate/certs");
        assert_eq!(of("cert-$ssl_server_name.crt"), "/etc/gate/");
        assert_eq!(of("/var/certs/x/$ssl_server_name"), "/var/certs/x");
        assert_eq!(of("/$ssl_server_name"), "/");
    }

    #[test]
    fn what_lies_within() {
        let reach = |read: &[&str]| Reach { read: read.iter().map(PathBuf::from).collect(), ..Reach::default() };
        assert!(reach(&["/a"]).covers(&reach(&["/a/b", "/a"])) && reach(&["/a"]).covers(&reach(&[])));
        assert!(!reach(&["/a"]).covers(&reach(&["/ab"])) && !reach(&[]).covers(&reach(&["/a"])));
    }
}
