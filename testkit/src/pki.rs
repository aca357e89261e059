//! Certificate authorities and certificates, made once by the `openssl` command line and kept beside the test binary.
//!
//! Files: `ca1.crt`, `ca2.crt` (roots); `inter.crt` (under ca1); `server.crt` (RSA, `*.example.com`), `ecdsa.crt`,
//! `other.crt` (`other.test`), `deep.crt` (with `inter`), `impostor.crt` (by ca2); `client.crt` (by ca1),
//! `odd.crt` (a subject of odd letters), `ed25519.crt`, `p521.crt`,
//! `client2.crt` (by ca2), `deepclient.crt`, `expired.crt`, `revoked.crt`, `self.crt`; `encrypted.key` (of `server.crt`,
//! passphrase `sesame`); `ca1.crl`, with `revoked` on it, and `ca1-empty.crl`; `ocsp.crt` (by ca1, to sign OCSP responses).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::Scratch;

/// Changes when the set of files does, so that an older set is not taken for it.
const EDITION: &str = "testkit-pki-4";

/// The made files.
#[derive(Debug)]
pub struct Pki(PathBuf);

impl Pki {
    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The text of one of them.
    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("a file of the PKI")
    }
}

/// The certificates of this test run.
pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let exe = std::env::current_exe().expect("the test binary");
        let beside = exe.parent().expect("its directory");
        let dir = beside.join(EDITION);
        std::fs::create_dir_all(&dir).expect("the directory of the PKI");
        let lock = File::create(dir.join("lock")).expect("the lock of the PKI");
        lock.lock().expect("the lock of the PKI");
        if !dir.join("done").exists() {
            make(&dir);
            File::create(dir.join("done")).expect("the mark of the PKI");
        }
        Pki(dir)
    })
}

fn make(dir: &Path) {
    for ca in ["ca1", "ca2"] {
        let subject = format!("/O=Lockgate Test/CN={ca}");
        key(dir, ca, "ec");
        openssl(
            dir,
            &format!(
                "req -x509 -new -key {ca}.key -days 3650 -out {ca}.crt -addext basicConstraints=critical,CA:true -subj"
            ),
            &subject,
        );
        std::fs::write(dir.join(format!("{ca}.index")), "").expect("an index");
        std::fs::write(dir.join(format!("{ca}.serial")), "1000\n").expect("a serial");
        std::fs::write(dir.join(format!("{ca}.cnf")), ca_conf(ca)).expect("a CA config");
    }
    let san = |names: &str| format!("subjectAltName={names}\nbasicConstraints=CA:false\n");
    let ca_ext = "basicConstraints=critical,CA:true\nkeyUsage=keyCertSign,cRLSign\n";
    let leaf = "basicConstraints=CA:false\n";
    issue(dir, "inter", "ec", "ca1", "/O=Lockgate Test/CN=inter", ca_ext, "");
    std::fs::write(dir.join("inter.index"), "").expect("an index");
    std::fs::write(dir.join("inter.serial"), "1000\n").expect("a serial");
    std::fs::write(dir.join("inter.cnf"), ca_conf("inter")).expect("a CA config");
    issue(dir, "server", "rsa", "ca1", "/O=Lockgate Test/CN=server", &san("DNS:*.example.com,DNS:example.com"), "");
    issue(dir, "ecdsa", "ec", "ca1", "/O=Lockgate Test/CN=ecdsa", &san("DNS:*.example.com"), "");
    issue(dir, "other", "ec", "ca1", "/O=Lockgate Test/CN=other.test", &san("DNS:other.test"), "");
    issue(dir, "impostor", "ec", "ca2", "/O=Lockgate Test/CN=impostor", &san("DNS:*.example.com"), "");
    issue(dir, "named", "ec", "ca1", "/O=Lockgate Test/CN=named.example.net", leaf, "");
    issue(dir, "client", "ec", "ca1", "/O=Lockgate, Inc/CN=client", leaf, "");
    let odd = "/O=\u{dc}bung \"q\" <a>+b;c #x/OU= lead/OU=trail /CN=odd";
    issue(dir, "odd", "ec", "ca1", odd, leaf, "-preserveDN");
    for kind in ["ed25519", "p521"] {
        issue(dir, kind, kind, "ca1", &format!("/O=Lockgate Test/CN={kind}"), &san("DNS:*.example.com"), "");
    }
    issue(dir, "client2", "ec", "ca2", "/O=Lockgate Test/CN=client2", leaf, "");
    issue(dir, "revoked", "ec", "ca1", "/O=Lockgate Test/CN=revoked", leaf, "");
    issue(dir, "ocsp", "ec", "ca1", "/O=Lockgate Test/CN=ocsp", &format!("{leaf}extendedKeyUsage=OCSPSigning\n"), "");
    issue(
        dir,
        "expired",
        "ec",
        "ca1",
        "/O=Lockgate Test/CN=expired",
        leaf,
        "-startdate 20200101000000Z -enddate 20200201000000Z",
    );
    issue(dir, "deepserver", "ec", "inter", "/O=Lockgate Test/CN=deep", &san("DNS:*.example.com"), "");
    issue(dir, "deepclient", "ec", "inter", "/O=Lockgate Test/CN=deepclient", leaf, "");
    for (out, leaf) in [("deep.crt", "deepserver.crt"), ("deepclient-chain.crt", "deepclient.crt")] {
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect("a certificate");
        std::fs::write(dir.join(out), read(leaf) + &read("inter.crt")).expect("a chain");
    }
    key(dir, "self", "ec");
    openssl(dir, "req -x509 -new -key self.key -days 3650 -out self.crt -subj", "/O=Lockgate Test/CN=self");
    openssl(dir, "rsa -aes128 -passout pass:sesame -out encrypted.key -in", "server.key");
    openssl(dir, "ca -config ca1.cnf -gencrl -crldays 3650 -out", "ca1-empty.crl");
    openssl(dir, "ca -config ca1.cnf -revoke", "revoked.crt");
    openssl(dir, "ca -config ca1.cnf -gencrl -crldays 3650 -out", "ca1.crl");
    std::fs::write(dir.join("passwords"), "wrong\nsesame\n").expect("the passphrases");
}

/// A certificate by `ca1` that names an OCSP responder: `named.crt` with its key.
pub fn naming_responder(url: &str) -> Scratch {
    let dir = Scratch::new();
    for name in ["ca1.crt", "ca1.key"] {
        std::fs::copy(pki().dir().join(name), dir.path().join(name)).expect("a file of the PKI");
    }
    key(dir.path(), "named", "ec");
    dir.write("named.ext", format!("basicConstraints=CA:false\nauthorityInfoAccess=OCSP;URI:{url}\n"));
    openssl(dir.path(), "req -new -key named.key -out named.csr -subj", "/O=Lockgate Test/CN=named");
    let how = "x509 -req -in named.csr -CA ca1.crt -CAkey ca1.key -set_serial 7 -days 9 -extfile named.ext -out";
    openssl(dir.path(), how, "named.crt");
    dir
}

/// A key of encrypted hellos with its configuration, whose open name is `name`, in the form of RFC 9934.
pub fn ech_file(name: &str) -> String {
    let dir = Scratch::new();
    openssl(dir.path(), "genpkey -algorithm X25519 -out", "key");
    openssl(dir.path(), "pkey -in key -pubout -outform DER -out", "public");
    let public = std::fs::read(dir.path().join("public")).expect("the public key");
    let with_length = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    let public = with_length(&public[public.len() - 32..]);
    // X25519, HKDF-SHA256, AES-128-GCM; no longest name, no extensions.
    let contents =
        [&[7, 0, 0x20][..], &public, &[0, 4, 0, 1, 0, 1, 0, name.len() as u8], name.as_bytes(), &[0, 0]].concat();
    let config = [&[0xfe, 0x0d][..], &with_length(&contents)].concat();
    dir.write("list", with_length(&config));
    openssl(dir.path(), "base64 -A -in list -out", "text");
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("a file");
    format!("{}-----BEGIN ECHCONFIG-----\n{}\n-----END ECHCONFIG-----\n", text("key"), text("text"))
}

fn ca_conf(ca: &str) -> String {
    format!(
        "[ca]\ndefault_ca=d\n[d]\ndatabase={ca}.index\nserial={ca}.serial\nnew_certs_dir=.\ncertificate={ca}.crt\n\
         private_key={ca}.key\ndefault_md=sha256\npolicy=p\nunique_subject=no\ndefault_days=3650\n[p]\n\
         organizationName=optional\norganizationalUnitName=optional\ncommonName=supplied\n"
    )
}

fn key(dir: &Path, name: &str, kind: &str) {
    let how = match kind {
        "rsa" => "RSA -pkeyopt rsa_keygen_bits:2048",
        "ed25519" => "ED25519",
        "p521" => "EC -pkeyopt ec_paramgen_curve:P-521",
        _ => "EC -pkeyopt ec_paramgen_curve:P-256",
    };
    openssl(dir, &format!("genpkey -algorithm {how} -out"), &format!("{name}.key"));
}

fn issue(dir: &Path, name: &str, kind: &str, ca: &str, subject: &str, extensions: &str, more: &str) {
    key(dir, name, kind);
    std::fs::write(dir.join(format!("{name}.ext")), extensions).expect("the extensions");
    openssl(dir, &format!("req -new -utf8 -key {name}.key -out {name}.csr -subj"), subject);
    openssl(
        dir,
        &format!("ca -batch -notext -config {ca}.cnf -extfile {name}.ext {more} -in {name}.csr -out"),
        &format!("{name}.crt"),
    );
}

/// Runs `openssl` with `args`, split at spaces, and `last` as it is.
fn openssl(dir: &Path, args: &str, last: &str) {
    let output = Command::new("openssl")
        .args(args.split_whitespace())
        .arg(last)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the openssl command line is installed");
    assert!(output.status.success(), "openssl {args} {last}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::pki;

    #[test]
    fn the_authorities_vouch_for_their_own() {
        let verifies = |ca: &str, leaf: &str| {
            let output = Command::new("openssl")
                .args(["verify", "-CAfile", ca, leaf])
                .current_dir(pki().dir())
                .output()
                .unwrap();
            output.status.success()
        };
        assert!(verifies("ca1.crt", "server.crt"));
        assert!(verifies("ca2.crt", "impostor.crt"));
        assert!(!verifies("ca1.crt", "impostor.crt"));
        assert!(!verifies("ca1.crt", "expired.crt"));
    }
}
