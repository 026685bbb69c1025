//! How fast files go, and what chat feels of it: `just bench`, or `cargo bench --bench files`.
//!
//! **Method.** The server is a process of its own, the clients are in this one. In each round a *plain copy* goes
//! first: one thread reads a file by chunks of 256 KiB and writes them to a TCP connection on the loopback address,
//! another reads them and writes them to a file, which it syncs at the end. Then the same file goes *up*, from the
//! command to send it until the server keeps all of it, synced; and *down*, from the command to get it until all
//! of it is on the receiver's disk, hashed and synced. Ratios are to the plain copy of the same round, bytes a second
//! to bytes a second; more is better. A round before the first is not counted: in a virtual machine the first use of
//! memory costs more than all that is measured here, and files that are larger than what was used before meet it
//! again.
//!
//! **Round trip:** two people answer each other over the same server, one message at a time; first while nothing else
//! happens, then while files go up and down without a pause.
//!
//! Absolute figures speak of one machine on one day.

mod people;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};
use async_std::task::block_on;
use tinychat::args;
use tinychat::exit::Exit;
use tinychat::wire::MAX_CHUNK;

use people::{Pair, Sender};

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// How many round trips are measured.
const ROUND_TRIPS: usize = 5_000;

/// Measure files, and chat beside them.
#[derive(ArgsInfo, FromArgs)]
struct Flags {
    /// how many MiB the file has (default 256)
    #[argh(option, default = "256")]
    mebibytes: u64,

    /// how many rounds (default 5)
    #[argh(option, default = "5")]
    rounds: usize,

    /// where the files are (default: the system's folder for what is temporary)
    #[argh(option)]
    folder: Option<PathBuf>,

    /// given by cargo
    #[argh(switch)]
    #[allow(dead_code, reason = "cargo gives it to every benchmark")]
    bench: bool,
}

fn main() -> ExitCode {
    let flags: Flags = match args::parse("files", std::env::args_os().skip(1), Exit::SERVER) {
        Ok(flags) => flags,
        Err(stop) => return stop.exit("files"),
    };
    match measure(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("files: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(flags: &Flags) -> Result<()> {
    let folder = match &flags.folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let file = folder.path().join("file");
    fill(&file, flags.mebibytes)?;
    println!("{} MiB, {} rounds", flags.mebibytes, flags.rounds);
    for (tls, name) in [(false, "plain"), (true, "TLS")] {
        let place = folder.path().join(name);
        fs::create_dir(&place)?;
        let server = Server::start(&place.join("server"), tls)?;
        println!("\n{name}");
        throughput(flags, &file, &place, &server, tls)?;
        if !tls {
            beside(&file, &place, &server)?;
        }
    }
    Ok(())
}

/// A file that cannot be compressed away.
fn fill(path: &Path, mebibytes: u64) -> io::Result<()> {
    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut chunk = vec![0; 1 << 20];
    let mut file = File::create(path)?;
    for _ in 0..mebibytes {
        noise.fill(&mut chunk);
        file.write_all(&chunk)?;
    }
    file.sync_all()
}

fn throughput(flags: &Flags, file: &Path, place: &Path, server: &Server, tls: bool) -> Result<()> {
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    let sender = block_on(Sender::start(server.address, tls, "john", "marie", place))?;
    let receiver = block_on(Sender::start(server.address, tls, "marie", "john", place))?;
    for round in 0..=flags.rounds {
        let copied = copy(file, &place.join("copy"))?;
        let up = block_on(sender.sends(file))?;
        let (down, received) = block_on(receiver.gets())?;
        if fs::metadata(&received)?.len() != fs::metadata(file)?.len() {
            return Err("another file came".into());
        }
        fs::remove_file(received)?;
        fs::remove_file(place.join("copy"))?;
        let rate = |time: Duration| flags.mebibytes as f64 / time.as_secs_f64();
        if round == 0 {
            continue;
        }
        println!(
            "round {round}: plain copy {:.0} MiB/s, up {:.0}, down {:.0}",
            rate(copied),
            rate(up),
            rate(down)
        );
        ups.push(copied.as_secs_f64() / up.as_secs_f64());
        downs.push(copied.as_secs_f64() / down.as_secs_f64());
    }
    println!("up ÷ plain copy: {}", median(ups));
    println!("down ÷ plain copy: {}", median(downs));
    block_on(async {
        sender.leave().await;
        receiver.leave().await;
    });
    Ok(())
}

/// The plain copy.
fn copy(from: &Path, to: &Path) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let target = to.to_path_buf();
    let began = Instant::now();
    let receiving = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let (mut file, mut chunk) = (File::create(target)?, vec![0; MAX_CHUNK]);
        loop {
            match stream.read(&mut chunk)? {
                0 => return file.sync_all(),
                read => file.write_all(&chunk[..read])?,
            }
        }
    });
    let (mut file, mut stream) = (File::open(from)?, TcpStream::connect(address)?);
    let mut chunk = vec![0; MAX_CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            read => stream.write_all(&chunk[..read])?,
        }
    }
    drop(stream);
    receiving.join().map_err(|_| "the copy panicked")??;
    Ok(began.elapsed())
}

/// Round trips while nothing else happens, and while files go.
fn beside(file: &Path, place: &Path, server: &Server) -> Result<()> {
    let mut pair = block_on(Pair::open(server.address))?;
    block_on(pair.exchange(ROUND_TRIPS / 10))?;
    let idle = block_on(pair.exchange(ROUND_TRIPS))?;
    let done = Arc::new(AtomicBool::new(false));
    let transfers = {
        let (file, place, done) = (file.to_path_buf(), place.to_path_buf(), done.clone());
        let address = server.address;
        thread::spawn(move || block_on(keep_busy(&file, &place, address, &done)))
    };
    // So that it is under way.
    thread::sleep(Duration::from_millis(300));
    let busy = block_on(pair.exchange(ROUND_TRIPS));
    done.store(true, Ordering::Relaxed);
    let files = transfers.join().map_err(|_| "the files panicked")??;
    let (idle, busy) = (Percentiles::of(idle), Percentiles::of(busy?));
    println!("round trip, idle: {idle}");
    println!("round trip, while {files} files went: {busy}");
    let ratio =
        |of: fn(&Percentiles) -> Duration| of(&busy).as_secs_f64() / of(&idle).as_secs_f64();
    println!("ratio: p50 {:.2}, p99 {:.2}", ratio(|it| it.p50), ratio(|it| it.p99));
    Ok(())
}

async fn keep_busy(
    file: &Path,
    place: &Path,
    address: SocketAddr,
    done: &AtomicBool,
) -> Result<u64> {
    let sender = Sender::start(address, false, "anna", "carl", place).await?;
    let receiver = Sender::start(address, false, "carl", "anna", place).await?;
    let mut files = 0;
    while !done.load(Ordering::Relaxed) {
        sender.sends(file).await?;
        fs::remove_file(receiver.gets().await?.1)?;
        files += 2;
    }
    sender.leave().await;
    receiver.leave().await;
    Ok(files)
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
    worst: Duration,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        Self { p50: at(0.5), p99: at(0.99), worst: at(1.0) }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |time: Duration| time.as_micros();
        let Self { p50, p99, worst } = self;
        write!(f, "p50 {} µs, p99 {} µs, worst {} µs", micros(*p50), micros(*p99), micros(*worst))
    }
}

fn median(mut ratios: Vec<f64>) -> String {
    ratios.sort_unstable_by(f64::total_cmp);
    match ratios.as_slice() {
        [] => "nothing was measured".into(),
        [lowest, ..] => {
            let (middle, highest) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
            format!("{middle:.2} ({lowest:.2} to {highest:.2})")
        }
    }
}

/// The server as a process. It ends with this.
struct Server {
    address: SocketAddr,
    process: Child,
}

impl Server {
    fn start(data: &Path, tls: bool) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_tinychat-server"));
        command.env("TINYCHAT_SERVER_CONFIG", "none");
        command.args(["--listen", &address.to_string(), "--log-level", "off"]);
        command.args(["--tls", if tls { "on" } else { "off" }, "--reserve", "0B"]);
        command.arg("--data").arg(data).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn()?;
        let server = Self { address, process };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err("the server does not come up".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
