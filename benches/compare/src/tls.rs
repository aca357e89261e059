//! TLS of the generator on the system's OpenSSL: contexts, and a socket that is either plain or TLS.
use crate::sys::{self, Io};
use openssl::error::ErrorStack;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslMode, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode,
};
use std::io::{self, Read, Write};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError};

/// A non-blocking socket, closed when dropped.
pub struct Raw(pub RawFd);

fn as_std(outcome: io::Result<Io>) -> io::Result<usize> {
    match outcome? {
        Io::Bytes(count) => Ok(count),
        Io::Eof => Ok(0),
        Io::Block => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        as_std(sys::read(self.0, buffer))
    }
}

impl Write for Raw {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        as_std(sys::write(self.0, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        sys::close(self.0);
    }
}

/// One end of a connection.
pub enum Sock {
    Plain(Raw),
    Tls(Box<SslStream<Raw>>),
}

fn outcome(result: Result<usize, openssl::ssl::Error>) -> io::Result<Io> {
    let error = match result {
        Ok(0) => return Ok(Io::Eof),
        Ok(count) => return Ok(Io::Bytes(count)),
        Err(error) => error,
    };
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => Ok(Io::Block),
        ErrorCode::ZERO_RETURN => Ok(Io::Eof),
        ErrorCode::SYSCALL if error.io_error().is_none() => Ok(Io::Eof),
        _ if error.to_string().contains("unexpected eof") => Ok(Io::Eof),
        _ => Err(io::Error::other(format!("tls: {error}"))),
    }
}

impl Sock {
    pub fn fd(&self) -> RawFd {
        match self {
            Sock::Plain(raw) => raw.0,
            Sock::Tls(stream) => stream.get_ref().0,
        }
    }

    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Io> {
        match self {
            Sock::Plain(raw) => sys::read(raw.0, buffer),
            Sock::Tls(stream) => outcome(stream.ssl_read(buffer)),
        }
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Io> {
        match self {
            Sock::Plain(raw) => sys::write(raw.0, bytes),
            Sock::Tls(stream) => outcome(stream.ssl_write(bytes)),
        }
    }

    /// Whether the handshake, if there is one, is complete.
    pub fn handshake(&mut self) -> io::Result<bool> {
        let Sock::Tls(stream) = self else { return Ok(true) };
        match outcome(stream.do_handshake().map(|()| 1))? {
            Io::Bytes(_) => Ok(true),
            Io::Block => Ok(false),
            Io::Eof => Err(io::Error::other("tls: end of file during the handshake")),
        }
    }

    /// Whether a session was resumed; none without TLS.
    pub fn resumed(&self) -> Option<bool> {
        let Sock::Tls(stream) = self else { return None };
        Some(stream.ssl().session_reused())
    }

    /// Version and cipher that were agreed on.
    pub fn negotiated(&self) -> String {
        let Sock::Tls(stream) = self else { return String::new() };
        let cipher = stream.ssl().current_cipher().map_or("?", |cipher| cipher.name());
        format!("{} {cipher}", stream.ssl().version_str())
    }

    /// Sends the close-notify alert.
    pub fn bye(&mut self) {
        if let Sock::Tls(stream) = self {
            let _ = stream.shutdown();
        }
    }
}

fn usual(builder: &mut SslContextBuilder) {
    builder.set_mode(SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::AUTO_RETRY);
}

/// What clients connect with.
pub struct Client {
    context: SslContext,
    session: Arc<Mutex<Option<SslSession>>>,
    resume: bool,
}

impl Client {
    /// Trusts `authority`; shows `certificate` (with key) if there is one.
    pub fn new(authority: &str, certificate: Option<(&str, &str)>, resume: bool) -> Result<Client, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        usual(&mut builder);
        builder.set_ca_file(authority)?;
        builder.set_verify(SslVerifyMode::PEER);
        if let Some((certificate, key)) = certificate {
            builder.set_certificate_chain_file(certificate)?;
            builder.set_private_key_file(key, SslFiletype::PEM)?;
        }
        let session = Arc::new(Mutex::new(None));
        if resume {
            let last = session.clone();
            builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
            builder.set_new_session_callback(move |_, new| {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(new);
            });
        } else {
            builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        }
        Ok(Client { context: builder.build(), session, resume })
    }

    /// A socket that asks for `name` and takes no other certificate.
    pub fn wrap(&self, fd: RawFd, name: &str) -> Result<Sock, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_hostname(name)?;
        ssl.param_mut().set_host(name)?;
        if self.resume
            && let Some(session) = self.session.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
        {
            // SAFETY: the session came from this context
            unsafe { ssl.set_session(session)? };
        }
        ssl.set_connect_state();
        Ok(Sock::Tls(Box::new(SslStream::new(ssl, Raw(fd))?)))
    }
}

/// What a backend that speaks TLS accepts with.
pub struct Server(SslContext);

impl Server {
    pub fn new(certificate: &str, key: &str) -> Result<Server, ErrorStack> {
        let mut builder = SslContext::builder(SslMethod::tls_server())?;
        usual(&mut builder);
        builder.set_certificate_chain_file(certificate)?;
        builder.set_private_key_file(key, SslFiletype::PEM)?;
        builder.set_session_id_context(b"load")?;
        Ok(Server(builder.build()))
    }

    pub fn wrap(&self, fd: RawFd) -> Result<Sock, ErrorStack> {
        let mut ssl = Ssl::new(&self.0)?;
        ssl.set_accept_state();
        Ok(Sock::Tls(Box::new(SslStream::new(ssl, Raw(fd))?)))
    }
}

/// The ClientHello record that OpenSSL sends for this name.
pub fn client_hello(name: &str) -> Result<Vec<u8>, ErrorStack> {
    let mut ssl = Ssl::new(&SslContext::builder(SslMethod::tls_client())?.build())?;
    ssl.set_hostname(name)?;
    ssl.set_connect_state();
    let mut stream = SslStream::new(ssl, Recorder(Vec::new()))?;
    let _ = stream.do_handshake();
    Ok(std::mem::take(&mut stream.get_mut().0))
}

/// Keeps what is written and has nothing to read.
struct Recorder(Vec<u8>);

impl Read for Recorder {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
