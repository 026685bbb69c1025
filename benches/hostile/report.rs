//! From figures to what is read: three lines for each attack.

use std::time::Duration;

use bytesize::ByteSize;

use super::Result;

/// What is aimed at: p99 in itself and to the quiet one, memory, and disk writes to the quiet ones.
const P99: Duration = Duration::from_millis(50);
const TIMES: f64 = 10.0;
const MEMORY: u64 = 64 << 20;

/// Less than this counts as this, where disk writes are divided.
const LITTLE: u64 = 1 << 20;

/// What was measured in some seconds.
pub(crate) struct Phase {
    pub(crate) trips: Vec<Duration>,
    /// By how many bytes the server grew.
    pub(crate) memory: u64,
    /// How many bytes it had written to the disk.
    pub(crate) written: u64,
}

impl Phase {
    /// So much of the round trips took no longer.
    fn percentile(&self, share: f64) -> Duration {
        let mut trips = self.trips.clone();
        trips.sort_unstable();
        let index = (trips.len().saturating_sub(1) as f64 * share) as usize;
        trips.get(index).copied().unwrap_or_default()
    }

    fn line(&self, name: &str) -> String {
        let millis = |share| self.percentile(share).as_secs_f64() * 1e3;
        let (p50, p99, worst) = (millis(0.5), millis(0.99), millis(1.0));
        let (memory, written) = (ByteSize(self.memory), ByteSize(self.written));
        format!(
            "  {name:<8} p50 {p50:8.2} ms  p99 {p99:9.2} ms  worst {worst:9.2} ms  memory +{memory}  disk {written}"
        )
    }
}

/// Prints what became of one.
pub(crate) fn show(name: &str, what: &str, figures: Result<[Phase; 2]>) {
    println!("\n{name}: {what}");
    match figures {
        Ok([quiet, attacked]) => {
            println!("{}\n{}", quiet.line("quiet"), attacked.line("attacked"));
            println!("{}", ratios(&quiet, &attacked));
        }
        Err(error) => println!("  !        it could not be measured: {error}"),
    }
}

fn ratios(quiet: &Phase, attacked: &Phase) -> String {
    let times =
        |share| attacked.percentile(share).as_secs_f64() / quiet.percentile(share).as_secs_f64();
    let disk = attacked.written.max(LITTLE) as f64 / quiet.written.max(LITTLE) as f64;
    let slow = attacked.percentile(0.99) >= P99 || times(0.99) >= TIMES;
    let mark = |missed| if missed { "!" } else { " " };
    let grown = ByteSize(attacked.memory.saturating_sub(quiet.memory));
    format!(
        "  ratio    p50 {:8.2}     p99 {:9.2}   {} memory +{grown} more {}  disk {disk:.2} {}",
        times(0.5),
        times(0.99),
        mark(slow),
        mark(grown.as_u64() >= MEMORY),
        mark(disk >= TIMES),
    )
}

/// The same of a client that a server attacks: memory alone.
pub(crate) fn show_memory(name: &str, what: &str, quiet: u64, attacked: u64) {
    let (grown, ratio) = (attacked.saturating_sub(quiet), attacked as f64 / quiet as f64);
    println!("\n{name}: {what}");
    println!("  quiet    memory {}", ByteSize(quiet));
    println!("  attacked memory {}", ByteSize(attacked));
    println!("  ratio    {ratio:.2} {}", if grown >= MEMORY { "!" } else { "" });
}
