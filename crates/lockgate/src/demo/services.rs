//! What host A hides: two machines that greet like ssh servers, a small web server; and a name
//! server for the DMZ. All on loopback, on ports the system chooses, until the process ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use super::Failed;

/// How long a service waits for its client.
const PATIENCE: Duration = Duration::from_secs(10);

/// A machine that says who it is and echoes lines, as an ssh server says its version first.
pub(crate) fn shell(name: &'static str) -> Result<u16, Failed> {
    serve(move |mut client| {
        client.write_all(format!("SSH-2.0-demo host {name}\r\n").as_bytes())?;
        let mut lines = BufReader::new(client.try_clone()?);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 {
            client.write_all(format!("{name}: {line}").as_bytes())?;
            line.clear();
        }
        Ok(())
    })
}

/// A web server with one page.
pub(crate) fn web() -> Result<u16, Failed> {
    serve(|mut client| {
        let mut lines = BufReader::new(client.try_clone()?);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 2 {
            line.clear();
        }
        let page = "the page behind host A\n";
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", page.len());
        client.write_all((head + page).as_bytes())
    })
}

fn serve(talk: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static) -> Result<u16, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let talk = talk.clone();
            std::thread::spawn(move || {
                let _ = client.set_read_timeout(Some(PATIENCE));
                // A client that goes away in the middle is its own affair.
                let _ = talk(client);
            });
        }
    });
    Ok(port)
}

/// A name server that knows one name, at 127.0.0.1, and denies all others (RFC 1035, section 4.1).
pub(crate) fn dns(known: &'static str) -> Result<u16, Failed> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let port = socket.local_addr()?.port();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if let Some(answer) = query.get(..length).and_then(|query| answer(query, known)) {
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    Ok(port)
}

/// The answer to `query`: header, question, and an A record where one is asked for.
fn answer(query: &[u8], known: &str) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let question = query.get(HEADER..at + 4)?;
    let address = name == known && question.ends_with(&[0, 1, 0, 1]);
    let code: u8 = if name == known { 0 } else { 3 };
    let mut out = query.get(..2)?.to_vec();
    out.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::from(address), 0, 0, 0, 0]);
    out.extend_from_slice(question);
    if address {
        out.extend_from_slice(&[0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(out)
}

/// Everything a client gets from `port` after sending `say`, up to `enough` bytes or the end.
pub(crate) fn talk(port: u16, say: &str, enough: usize) -> std::io::Result<String> {
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.write_all(say.as_bytes())?;
    let mut heard = Vec::new();
    let mut piece = [0; 1024];
    while heard.len() < enough {
        let length = client.read(&mut piece)?;
        if length == 0 {
            break;
        }
        heard.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_server_knows_one_name() {
        let query = |name: &str, kind: u8| {
            let mut bytes = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name.split('.') {
                bytes.push(label.len() as u8);
                bytes.extend_from_slice(label.as_bytes());
            }
            bytes.extend_from_slice(&[0, 0, kind, 0, 1]);
            bytes
        };
        let known = answer(&query("API.test", 1), "api.test").unwrap();
        assert!(known.starts_with(&[0xab, 0xcd, 0x81, 0x80]) && known.ends_with(&[127, 0, 0, 1]));
        assert_eq!(answer(&query("api.test", 28), "api.test").unwrap()[7], 0);
        assert_eq!(answer(&query("other.test", 1), "api.test").unwrap()[3] & 15, 3);
        for length in 0..query("api.test", 1).len() {
            assert!(answer(&query("api.test", 1)[..length], "api.test").is_none());
        }
    }
}
