//! Files of TLS that cannot be used: what is said of them when they are read, to the last word of the library.

use std::path::Path;
use std::process::Command;

use testkit::{Binary, Scratch, pki};

/// Makes files in `dir`, with those of the PKI at hand.
fn openssl(dir: &Path, args: &str) {
    let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().unwrap();
    assert!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
}

/// A directory with odd files.
fn odd_files() -> Scratch {
    let scratch = Scratch::new();
    let dir = scratch.path();
    for name in ["ca1.crt", "ca1.key", "server.crt", "server.key", "ecdsa.crt", "ecdsa.key", "encrypted.key"] {
        std::fs::copy(pki().dir().join(name), dir.join(name)).unwrap();
    }
    openssl(dir, "pkcs8 -topk8 -passout pass:sesame -in server.key -out pkcs8.key");
    openssl(dir, "rsa -traditional -aes128 -passout pass:sesame -in server.key -out old.key");
    openssl(dir, "req -x509 -newkey rsa:1024 -nodes -subj /CN=small -keyout small.key -out small.crt");
    openssl(dir, "req -new -key server.key -subj /CN=weak -out weak.csr");
    openssl(dir, "x509 -req -sha1 -in weak.csr -CA ca1.crt -CAkey ca1.key -set_serial 9 -out weak.crt");
    openssl(dir, "dhparam -out small.dh 1024");
    let [certificate, key, old] =
        ["server.crt", "server.key", "old.key"].map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
    for (name, text) in [
        ("half.key", key[..300].to_owned()),
        ("half.crt", certificate[..600].to_owned()),
        ("hollow.key", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned()),
        ("unnamed.key", old.replace("DEK-Info", "DEK-Other")),
        ("unknown.key", old.replace("AES-128-CBC", "NONE-128-CBC")),
        ("marked.crt", format!("\u{feff}{certificate}")),
        ("indented.crt", format!(" {certificate}")),
        ("wrong", "wrong\n".to_owned()),
        ("both", "wrong\nsesame\n".to_owned()),
        ("two", "wrong\nwrong too\n".to_owned()),
        ("none", String::new()),
        ("text", "no response\n".to_owned()),
        ("long", "\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}\u{ff}".to_owned()),
    ] {
        scratch.write(name, text);
    }
    openssl(dir, "x509 -in server.crt -outform DER -out server.der");
    scratch
}

/// The lines of `-t`.
fn told(binary: &Binary, dir: &Path, server: &str) -> (Vec<String>, Option<i32>) {
    let conf = dir.join("load.conf");
    let text = format!(
        "pid nginx.pid; error_log error.log; events {{}}\nstream {{ server {{ listen 127.0.0.1:18080 ssl; {server} return x; }} }}\n"
    );
    std::fs::write(&conf, text).unwrap();
    let log = dir.join("start.log");
    let run = binary.run(["-t".as_ref(), "-p".as_ref(), dir, "-c".as_ref(), &conf, "-e".as_ref(), &log]);
    (run.messages().into_iter().filter(|line| line.starts_with('[')).collect(), run.code)
}

fn compare(servers: &[String]) {
    let scratch = odd_files();
    let (nginx, lockgate) = (crate::nginx(), crate::lockgate());
    for server in servers {
        let [theirs, ours] = [&nginx, &lockgate].map(|binary| told(binary, scratch.path(), server));
        assert_eq!(theirs, ours, "{server}: first nginx's, then Lockgate's");
    }
}

#[test]
fn keys() {
    let mut servers = Vec::new();
    for key in ["half", "hollow", "unnamed", "unknown", "pkcs8", "old", "encrypted"] {
        for file in [
            "",
            "ssl_password_file wrong;",
            "ssl_password_file both;",
            "ssl_password_file two;",
            "ssl_password_file none;",
        ] {
            servers.push(format!("ssl_certificate server.crt; ssl_certificate_key {key}.key; {file}"));
        }
    }
    compare(&servers);
}

#[test]
fn certificates() {
    let weak = ["small.crt; ssl_certificate_key small.key", "weak.crt; ssl_certificate_key server.key"];
    let mut servers: Vec<String> = ["half.crt", "marked.crt", "indented.crt", "none", "small.crt"]
        .map(|name| format!("ssl_certificate {name}; ssl_certificate_key server.key;"))
        .into();
    for certificate in weak {
        for ciphers in ["", "ssl_ciphers HIGH;", "ssl_ciphers HIGH:@SECLEVEL=0;", "ssl_ciphers HIGH:@SECLEVEL=1;"] {
            servers.push(format!("ssl_certificate {certificate}; {ciphers}"));
        }
    }
    compare(&servers);
}

#[test]
fn other_files() {
    let usual = "ssl_certificate server.crt; ssl_certificate_key server.key;";
    let mut servers = vec![format!("{usual} ssl_dhparam small.dh;")];
    for name in ["none", "text", "long", "server.der", "server.crt"] {
        servers.push(format!("{usual} ssl_stapling on; ssl_stapling_file {name};"));
    }
    compare(&servers);
}
