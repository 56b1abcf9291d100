//! A TCP proxy that delays, cuts and drops.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// The treatment of new bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Passes the replies on after a time.
    DelayReplies(Duration),
    /// Passes this many more bytes of replies on, and closes the connection.
    CutRepliesAfter(usize),
    /// Reads the replies and passes none on.
    DropReplies,
    /// Keeps requests until another fault, or none, is set.
    HoldRequests,
    /// Closes every connection, also new ones.
    Refuse,
}

#[derive(Debug)]
struct Control {
    fault: Mutex<Fault>,
    changed: Condvar,
    /// Requests that wait.
    held: Mutex<usize>,
}

/// A proxy in front of one server on this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    control: Arc<Control>,
}

impl Proxy {
    /// Starts a proxy in front of a port.
    pub fn start(target: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let control =
            Arc::new(Control { fault: Mutex::new(Fault::None), changed: Condvar::new(), held: Mutex::new(0) });
        let target = Arc::new(AtomicU16::new(target));
        let (of_threads, target_now) = (Arc::clone(&control), Arc::clone(&target));
        // The threads end with the process.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target_now.load(Ordering::SeqCst))) else { continue };
                forward(client, server, &of_threads);
            }
        });
        Proxy { port, target, control }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Connects new clients to another port.
    pub fn point_to(&self, target: u16) {
        self.target.store(target, Ordering::SeqCst);
    }

    /// Sets what happens to the next bytes.
    pub fn set(&self, fault: Fault) {
        *self.control.fault.lock().unwrap() = fault;
        self.control.changed.notify_all();
    }

    /// Whether a request is being kept by [`Fault::HoldRequests`].
    pub fn holds(&self) -> bool {
        *self.control.held.lock().unwrap() > 0
    }
}

fn forward(client: TcpStream, server: TcpStream, control: &Arc<Control>) {
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
    let (requests, replies) = (Arc::clone(control), Arc::clone(control));
    thread::spawn(move || copy(from_client, server, |bytes| requests.request(bytes)));
    thread::spawn(move || copy(from_server, client, |bytes| replies.reply(bytes)));
}

/// Copies until an end or an error. `pass` returns how many of the bytes to pass on, and whether to continue.
fn copy(mut from: TcpStream, mut to: TcpStream, pass: impl Fn(&[u8]) -> (usize, bool)) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(len) = from.read(&mut buffer) {
        let (passed, goes_on) = pass(&buffer[..len]);
        if len == 0 || to.write_all(&buffer[..passed]).is_err() || !goes_on {
            break;
        }
    }
    // The other side may have closed already, which is no fault.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

impl Control {
    fn request(&self, bytes: &[u8]) -> (usize, bool) {
        let mut fault = self.fault.lock().unwrap();
        if *fault == Fault::HoldRequests && !bytes.is_empty() {
            *self.held.lock().unwrap() += 1;
            while *fault == Fault::HoldRequests {
                fault = self.changed.wait(fault).unwrap();
            }
            *self.held.lock().unwrap() -= 1;
        }
        if *fault == Fault::Refuse { (0, false) } else { (bytes.len(), true) }
    }

    fn reply(&self, bytes: &[u8]) -> (usize, bool) {
        let mut fault = self.fault.lock().unwrap();
        match *fault {
            Fault::None | Fault::HoldRequests => (bytes.len(), true),
            Fault::DelayReplies(time) => {
                drop(fault);
                thread::sleep(time);
                (bytes.len(), true)
            }
            Fault::CutRepliesAfter(rest) if rest <= bytes.len() => {
                *fault = Fault::None;
                (rest, false)
            }
            Fault::CutRepliesAfter(rest) => {
                *fault = Fault::CutRepliesAfter(rest - bytes.len());
                (bytes.len(), true)
            }
            Fault::DropReplies => (0, true),
            Fault::Refuse => (0, false),
        }
    }
}
