//! Certificates that change on disk are taken without a reload.

use std::os::unix::fs::symlink;
use std::time::Duration;

use testkit::{Builder, Gateway, poll};

use crate::{gateway, is_nginx};

const CONF: &str =
    "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/c.crt; ssl_certificate_key %dir/c.key; return x; }";

fn with_pair(conf: &str) -> Builder {
    let pki = testkit::pki();
    gateway(conf).file("c.crt", pki.text("server.crt")).file("c.key", pki.text("server.key")).level("notice")
}

/// Puts a file into the place of another, at once. That it has changed may be told of the old one, too, where that was
/// written just before the start.
fn put(gw: &Gateway, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(gw.path("new"), text).unwrap();
    std::fs::rename(gw.path("new"), gw.path(name)).unwrap();
}

/// Puts the pair `name` into the place of the one in use, each file at once.
fn replace(gw: &Gateway, name: &str) {
    for end in ["crt", "key"] {
        put(gw, &format!("c.{end}"), testkit::pki().text(&format!("{name}.{end}")));
    }
}

/// Waits until the gateway shows the certificate of this name.
fn shows(gw: &Gateway, name: &str) {
    poll("the certificate", || gw.tls("in").run().stdout.contains(&format!("CN = {name}")).then_some(()));
}

#[test]
fn a_renewed_pair_is_taken_for_new_handshakes() {
    if is_nginx() {
        return;
    }
    let up = testkit::TcpBackend::echo();
    let echo = CONF.replace("%in", "%echo").replace("return x", "proxy_pass %up");
    let gw = with_pair(&format!("{CONF}\n{echo}")).with("up", up.addr()).main("worker_shutdown_timeout 10ms;").start();
    shows(&gw, "server");
    let session = std::thread::spawn({
        let client = gw.tls("echo").request("once").until("never");
        move || client.run()
    });
    replace(&gw, "other");
    shows(&gw, "other.test");
    let line = gw.wait_error("certificates have changed");
    assert_eq!(
        (line.level.as_str(), line.text.as_str()),
        ("notice", "certificates have changed, new handshakes take them")
    );
    assert!(!session.is_finished(), "sessions go on");
    replace(&gw, "ecdsa");
    shows(&gw, "ecdsa");
    drop(gw);
    session.join().unwrap();
}

#[test]
fn a_pair_that_does_not_match_is_refused_once_and_taken_when_it_does() {
    if is_nginx() {
        return;
    }
    // It is the pair of several servers.
    let gw = with_pair(&[CONF, &CONF.replace("%in", "%b"), &CONF.replace("%in", "%c")].join("\n")).start();
    put(&gw, "c.crt", testkit::pki().text("other.crt"));
    let line = gw.wait_error("the certificates in use stay");
    assert_eq!(line.level, "error");
    assert!(line.text.starts_with("SSL_CTX_use_PrivateKey(\""), "{}", line.text);
    shows(&gw, "server");
    testkit::hold("it is told once", Duration::from_millis(1200), || {
        gw.errors().iter().filter(|l| l.level == "error").count() == 1
    });
    std::fs::write(gw.path("c.key"), testkit::pki().text("other.key")).unwrap();
    shows(&gw, "other.test");
}

#[test]
fn a_file_that_makes_no_sense_or_is_gone_is_refused() {
    if is_nginx() {
        return;
    }
    let gw = with_pair(CONF).start();
    put(&gw, "c.crt", "no certificate");
    gw.wait_errors("the certificates in use stay", 1);
    std::fs::remove_file(gw.path("c.crt")).unwrap();
    let lines = gw.wait_errors("the certificates in use stay", 2);
    assert!(lines[1].text.contains("No such file or directory"), "{}", lines[1].text);
    shows(&gw, "server");
    replace(&gw, "other");
    shows(&gw, "other.test");
}

#[test]
fn an_expired_certificate_is_refused() {
    if is_nginx() {
        return;
    }
    let gw = with_pair(CONF).start();
    replace(&gw, "expired");
    let line = gw.wait_error("the certificates in use stay");
    assert!(line.text.contains("c.crt\" has expired"), "{}", line.text);
    shows(&gw, "server");
}

#[test]
fn secrets_of_kubernetes_are_switched_by_a_link() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/secret/tls.crt; \
                ssl_certificate_key %dir/secret/tls.key; return x; }";
    let builder = gateway(conf).level("notice");
    let secret = builder.dir().join("secret");
    let edition = |name: &str, pair: &str| {
        std::fs::create_dir_all(secret.join(name)).unwrap();
        for end in ["crt", "key"] {
            let text = testkit::pki().text(&format!("{pair}.{end}"));
            std::fs::write(secret.join(name).join(format!("tls.{end}")), text).unwrap();
        }
        symlink(name, secret.join("..data_tmp")).unwrap();
        std::fs::rename(secret.join("..data_tmp"), secret.join("..data")).unwrap();
    };
    edition("..2026_1", "server");
    for end in ["crt", "key"] {
        symlink(format!("..data/tls.{end}"), secret.join(format!("tls.{end}"))).unwrap();
    }
    let gw = builder.start();
    shows(&gw, "server");
    for (name, pair, shown) in [("..2026_2", "other", "other.test"), ("..2026_3", "ecdsa", "ecdsa")] {
        edition(name, pair);
        shows(&gw, shown);
    }
}

#[test]
fn lineages_of_certbot_are_switched_by_links() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/live/x/fullchain.pem; \
                ssl_certificate_key %dir/live/x/privkey.pem; return x; }";
    let builder = gateway(conf).user("nobody nogroup").level("notice");
    let dir = builder.dir().to_owned();
    for name in ["live/x", "archive/x"] {
        std::fs::create_dir_all(dir.join(name)).unwrap();
        std::fs::set_permissions(dir.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }
    let renew = |number: u32, pair: &str| {
        for (file, end) in [("fullchain", "crt"), ("privkey", "key")] {
            let text = testkit::pki().text(&format!("{pair}.{end}"));
            std::fs::write(dir.join(format!("archive/x/{file}{number}.pem")), text).unwrap();
            let link = dir.join(format!("live/x/{file}.pem"));
            let _ = std::fs::remove_file(&link);
            symlink(format!("../../archive/x/{file}{number}.pem"), link).unwrap();
        }
    };
    renew(1, "server");
    let gw = builder.start();
    shows(&gw, "server");
    for (number, pair, shown) in [(2, "other", "other.test"), (3, "ecdsa", "ecdsa")] {
        renew(number, pair);
        shows(&gw, shown);
    }
}

#[test]
fn the_hook_for_certbot_puts_a_renewed_pair_in_place() {
    if is_nginx() {
        return;
    }
    let hook = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/certbot-deploy-hook");
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/ssl/x.test.crt; \
                ssl_certificate_key %dir/ssl/x.test.key; return x; }";
    let builder = gateway(conf).user("nobody nogroup").level("notice");
    let dir = builder.dir().to_owned();
    let lineage = dir.join("live/x.test");
    std::fs::create_dir_all(&lineage).unwrap();
    let renew = |pair: &str| {
        for (file, end) in [("fullchain", "crt"), ("privkey", "key")] {
            std::fs::write(lineage.join(format!("{file}.pem")), testkit::pki().text(&format!("{pair}.{end}"))).unwrap();
        }
        let mut hook = std::process::Command::new(hook);
        assert!(hook.env("RENEWED_LINEAGE", &lineage).env("LOCKGATE_SSL", dir.join("ssl")).status().unwrap().success());
    };
    renew("server");
    let gw = builder.start();
    shows(&gw, "server");
    renew("other");
    shows(&gw, "other.test");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(dir.join("ssl/x.test.key")).unwrap().permissions());
    assert_eq!((mode & 0o777, std::fs::read_dir(dir.join("ssl")).unwrap().count()), (0o600, 2));
}

#[test]
fn authorities_are_followed() {
    if is_nginx() {
        return;
    }
    let pki = testkit::pki();
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                ssl_verify_client on; ssl_client_certificate %dir/ca.crt; return <$ssl_client_verify>; }";
    let gw = gateway(conf).file("ca.crt", pki.text("ca1.crt")).level("notice").start();
    let asks = |name: &str| {
        let args = format!("-cert {dir}/{name}.crt -key {dir}/{name}.key", dir = pki.dir().display());
        gw.tls("in").args(&args).run().stdout.contains("<SUCCESS>")
    };
    assert!(asks("client") && !asks("client2"));
    std::fs::write(gw.path("ca.crt"), pki.text("ca2.crt")).unwrap();
    poll("the other authority", || (asks("client2") && !asks("client")).then_some(()));
}

#[test]
fn lists_of_revoked_certificates_are_followed() {
    if is_nginx() {
        return;
    }
    let pki = testkit::pki();
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                ssl_verify_client on; ssl_client_certificate %pki/ca1.crt; ssl_crl %dir/crl; return <$ssl_client_verify>; }";
    let gw = gateway(conf).file("crl", pki.text("ca1-empty.crl")).level("notice").start();
    let asks = |name: &str| {
        let args = format!("-cert {dir}/{name}.crt -key {dir}/{name}.key", dir = pki.dir().display());
        gw.tls("in").args(&args).run().stdout.contains("<SUCCESS>")
    };
    assert!(asks("client") && asks("revoked"));
    put(&gw, "crl", pki.text("ca1.crl"));
    poll("the new list", || (!asks("revoked")).then_some(()));
    assert!(asks("client"));
    std::fs::write(gw.path("crl"), "no list").unwrap();
    gw.wait_error("the certificates in use stay");
    assert!(asks("client") && !asks("revoked"));
}

#[test]
fn keys_of_tickets_are_followed() {
    if is_nginx() {
        return;
    }
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                ssl_session_ticket_key %dir/tickets; return <$ssl_session_reused>; }";
    let [old, new] = [1_u8, 2].map(|seed| vec![seed; 80]);
    let gw = gateway(conf).file("tickets", &old).level("notice").start();
    let session = gw.path("session").display().to_string();
    let ask = |args: &str| gw.tls("in").args(args).run().stdout;
    assert!(ask(&format!("-sess_out {session}")).contains("<.>"));
    assert!(ask(&format!("-sess_in {session}")).contains("<r>"));
    put(&gw, "tickets", new);
    poll("a ticket of the old key is not taken", || ask(&format!("-sess_in {session}")).contains("<.>").then_some(()));
    gw.wait_error("certificates have changed");
    assert!(ask(&format!("-sess_out {session}")).contains("<.>"));
    assert!(ask(&format!("-sess_in {session}")).contains("<r>"), "and one of the new");
}

#[test]
fn what_is_shown_to_upstreams_and_who_is_trusted_there_is_followed() {
    if is_nginx() {
        return;
    }
    let pki = testkit::pki();
    let conf = "server { listen 127.0.0.1:%up ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                ssl_verify_client optional_no_ca; return <$ssl_client_s_dn>; }\n\
                server { listen 127.0.0.1:%in; proxy_pass 127.0.0.1:%up; proxy_ssl on; proxy_ssl_session_reuse off;\n\
                proxy_ssl_verify on; proxy_ssl_name a.example.com; proxy_ssl_trusted_certificate %dir/ca.crt;\n\
                proxy_ssl_certificate %dir/c.crt; proxy_ssl_certificate_key %dir/c.key; }";
    let builder = gateway(conf).file("ca.crt", pki.text("ca1.crt")).level("notice");
    let gw = builder.file("c.crt", pki.text("client.crt")).file("c.key", pki.text("client.key")).start();
    assert!(gw.ask("in", "").starts_with("<CN=client,"));
    replace(&gw, "client2");
    poll("the other certificate", || gw.ask("in", "").starts_with("<CN=client2,").then_some(()));
    std::fs::write(gw.path("ca.crt"), pki.text("ca2.crt")).unwrap();
    poll("the other authority", || gw.ask("in", "").is_empty().then_some(()));
    gw.wait_error("upstream SSL certificate verify error: ");
}

#[test]
fn lists_of_revoked_upstreams_are_followed_by_sessions_to_resume_too() {
    if is_nginx() {
        return;
    }
    let pki = testkit::pki();
    let conf = "upstream u { server 127.0.0.1:%up; }\n\
                server { listen 127.0.0.1:%up ssl; ssl_certificate %pki/revoked.crt; ssl_certificate_key %pki/revoked.key;\n\
                return <$ssl_session_reused>; }\n\
                server { listen 127.0.0.1:%in; proxy_pass u; proxy_ssl on; proxy_ssl_verify on; proxy_ssl_name revoked;\n\
                proxy_ssl_trusted_certificate %pki/ca1.crt; proxy_ssl_crl %dir/crl; }";
    for user in ["root root", "nobody nogroup"] {
        let gw = gateway(conf).user(user).file("crl", pki.text("ca1-empty.crl")).level("notice").start();
        assert_eq!([gw.ask("in", ""), gw.ask("in", "")], ["<.>", "<r>"]);
        put(&gw, "crl", pki.text("ca1.crl"));
        poll(user, || gw.ask("in", "").is_empty().then_some(()));
        gw.wait_error("certificates have changed");
        gw.wait_error("upstream SSL certificate verify error: (23:certificate revoked)");
    }
}

#[test]
fn a_passphrase_that_comes_later_than_its_key_is_noticed() {
    if is_nginx() {
        return;
    }
    let conf = CONF.replace("return", "ssl_password_file %dir/passwords; return");
    let gw = with_pair(&conf).file("passwords", "old\n").start();
    let pki = testkit::pki();
    std::fs::write(gw.path("c.key"), pki.text("encrypted.key")).unwrap();
    let line = gw.wait_error("the certificates in use stay");
    assert!(line.text.contains("PEM_read_bio_PrivateKey() failed"), "{}", line.text);
    std::fs::write(gw.path("passwords"), "old\nsesame\n").unwrap();
    assert_eq!(gw.wait_error("certificates have changed").level, "notice");
    shows(&gw, "server");
}

#[test]
fn certificates_that_variables_name_are_followed_as_long_as_they_are_kept() {
    let conf = "map $ssl_server_name $pair { default c; }\n\
                server { listen 127.0.0.1:%in ssl; ssl_certificate %dir/$pair.crt; ssl_certificate_key %dir/$pair.key;\n\
                ssl_certificate_cache max=10 valid=1s; return x; }";
    let gw = with_pair(conf).start();
    shows(&gw, "server");
    replace(&gw, "other");
    shows(&gw, "other.test");
}

#[test]
fn a_session_from_before_is_not_resumed_under_another_authority() {
    if is_nginx() {
        return;
    }
    let pki = testkit::pki();
    let conf = "server { listen 127.0.0.1:%in ssl; ssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
                ssl_session_cache shared:SSL:1m; ssl_verify_client optional; ssl_client_certificate %dir/ca.crt;\n\
                return <$ssl_session_reused$ssl_client_verify>; }";
    let gw = gateway(conf).file("ca.crt", pki.text("ca1.crt")).level("notice").start();
    let dir = pki.dir().display();
    let session = gw.path("session").display().to_string();
    let ask = |args: &str| {
        let certificate = format!("-tls1_2 -cert {dir}/client.crt -key {dir}/client.key {args}");
        gw.tls("in").args(&certificate).run().stdout
    };
    assert!(ask(&format!("-sess_out {session}")).contains("<.SUCCESS>"));
    assert!(ask(&format!("-sess_in {session}")).contains("<rSUCCESS>"));
    put(&gw, "ca.crt", pki.text("ca2.crt"));
    poll("the other authority", || (!ask("").contains("SUCCESS")).then_some(()));
    gw.wait_error("certificates have changed");
    let answer = ask(&format!("-sess_in {session}"));
    assert!(!answer.contains("<r"), "{answer}");
}

#[test]
fn it_can_be_turned_off() {
    if is_nginx() {
        return;
    }
    let gw = with_pair(CONF).main("certificate_watch off;").start();
    replace(&gw, "other");
    testkit::hold("the old one stays", Duration::from_millis(1500), || {
        gw.tls("in").run().stdout.contains("CN = server")
    });
}

#[test]
fn what_expires_soon_is_told() {
    if is_nginx() {
        return;
    }
    for (days, told) in [(3, true), (20, true), (60, false)] {
        let dir = testkit::Scratch::new();
        let (crt, key) = (dir.path().join("c.crt"), dir.path().join("c.key"));
        let made = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=soon",
            ])
            .args(["-days", &days.to_string(), "-out"])
            .arg(&crt)
            .arg("-keyout")
            .arg(&key)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let gw = gateway(CONF)
            .file("c.crt", std::fs::read(crt).unwrap())
            .file("c.key", std::fs::read(key).unwrap())
            .level("notice")
            .start();
        gw.wait_error("start worker process ");
        let lines: Vec<_> = gw.errors().into_iter().filter(|line| line.text.contains("expires")).collect();
        assert_eq!(lines.len(), usize::from(told));
        // A second may have passed since it was made.
        let expected = [days, days - 1].map(|days| format!("expires in {days} days"));
        let is_right = |text: &str| expected.iter().any(|expected| text.ends_with(expected));
        assert!(lines.iter().all(|line| line.level == "warn" && is_right(&line.text)), "{lines:?}");
    }
}
