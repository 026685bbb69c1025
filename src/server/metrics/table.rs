//! The table of metrics. New ones go here, into the manual, and may go into the dashboard in `share/grafana`.
//!
//! Owned by nobody. Invariant: names are as Prometheus has them, and no label has a name of anybody.

use super::metric::{Metric, Reading, Samples, by, one};
use super::source::{self, Source};
use crate::task;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All metrics, as they are written.
const TABLE: &[Metric] = &[
    Metric::info("tinychat_build", "The version of the server.", |_| by("version", [(VERSION, 1)])),
    Metric::gauge(
        "tinychat_start_time_seconds",
        "When the server was started, since 1970.",
        |it| one(it.host.started.0 / 1000),
    )
    .of("seconds"),
    Metric::gauge("tinychat_ready", "Whether it takes people and stores messages now.", |it| {
        one(u64::from(it.ready().is_ok()))
    }),
    Metric::gauge("tinychat_names", "Names that somebody has.", |it| one(it.host.names.count())),
    Metric::gauge("tinychat_people", "People who are signed in, by what others see.", |it| {
        let people = it.people();
        by("presence", [("online", people.online), ("away", people.away)])
    }),
    Metric::gauge("tinychat_connections", "Open connections, by what they are for.", |it| {
        let open = it.connections();
        by("kind", [("person", open.people), ("files", open.files), ("other", open.others)])
    }),
    Metric::counter("tinychat_connections_accepted", "Connections that came.", |it| {
        one(it.host.connections())
    }),
    Metric::counter(
        "tinychat_connections_unserved",
        "Connections that were closed unread, or were told that there is no room.",
        |it| one(it.host.counters.unserved.get()),
    ),
    Metric::counter("tinychat_accept_errors", "Times that the system gave no connection.", |it| {
        one(it.host.counters.accept_errors.get())
    }),
    Metric::counter(
        "tinychat_sign_ins",
        "Attempts to sign in, by their outcome: welcome, gone, tls, or why not.",
        |it| by("outcome", it.host.counters.sign_ins.all()),
    ),
    Metric::counter("tinychat_messages_taken", "Messages that the server took.", |it| {
        one(it.mailbox.counts().taken)
    }),
    Metric::counter(
        "tinychat_messages_written",
        "Those of them that were written to disk; others were delivered before.",
        |it| one(it.mailbox.counts().written),
    ),
    Metric::counter(
        "tinychat_messages_delivered",
        "Messages that their receiver's client has on its disk.",
        |it| one(it.mailbox.counts().delivered),
    ),
    Metric::counter("tinychat_messages_expired", "Messages that waited for too long.", |it| {
        one(it.mailbox.counts().expired)
    }),
    Metric::counter(
        "tinychat_messages_bounced",
        "Messages that their receiver's client did not take.",
        |it| one(it.mailbox.counts().bounced),
    ),
    Metric::counter(
        "tinychat_messages_refused",
        "Times that a message was refused, by reason; what came behind it is not counted.",
        |it| by("reason", it.host.counters.refusals.all()),
    ),
    Metric::gauge("tinychat_messages_waiting", "Messages that wait for their receiver.", |it| {
        one(it.mailbox.total().messages)
    }),
    Metric::gauge("tinychat_messages_waiting_bytes", "What is in them.", |it| {
        one(it.mailbox.total().bytes)
    })
    .of("bytes"),
    Metric::gauge("tinychat_sessions", "Directions of conversations that are in memory.", |it| {
        one(it.host.registry.count())
    }),
    Metric::histogram("tinychat_commit_seconds", "How long commits to disk took.", |it| {
        Some(Samples::Times(it.mailbox.commit_times().times()))
    }),
    Metric::histogram(
        "tinychat_round_trip_seconds",
        "From taking a message to its receiver's acknowledgement; of receivers who were there, one message at a time.",
        |it| Some(Samples::Times(it.host.counters.round_trip.times())),
    ),
    Metric::gauge("tinychat_files_waiting", "Files that wait, or are coming.", |it| {
        one(it.host.blobs.count().0)
    }),
    Metric::counter("tinychat_files_carried", "Files that were carried to their end.", |it| {
        let counters = &it.host.counters;
        by(
            "direction",
            [("up", counters.uploads.files.get()), ("down", counters.downloads.files.get())],
        )
    }),
    Metric::counter("tinychat_files_carried_bytes", "What was carried of files.", |it| {
        let counters = &it.host.counters;
        by(
            "direction",
            [("up", counters.uploads.bytes.get()), ("down", counters.downloads.bytes.get())],
        )
    })
    .of("bytes"),
    Metric::counter(
        "tinychat_files_refused",
        "Times that a file was not taken, or not given, by reason.",
        |it| by("reason", it.host.counters.file_refusals.all()),
    ),
    Metric::gauge("tinychat_disk_used_bytes", "What is on the disk, by what it is.", |it| {
        by("part", [("mailbox", it.mailbox_size()), ("files", it.host.blobs.count().1)])
    })
    .of("bytes"),
    Metric::gauge("tinychat_disk_free_bytes", "What the disk still takes.", |it| {
        it.room().and_then(one)
    })
    .of("bytes"),
    Metric::gauge("tinychat_tasks", "Tasks of the process.", |_| one(task::count())),
    Metric::gauge("process_open_fds", "Files that the process has open.", |_| {
        source::open_files().and_then(one)
    }),
    Metric::gauge("process_max_fds", "How many it may have open.", |_| {
        source::most_open_files().and_then(one)
    }),
    Metric::gauge("process_resident_memory_bytes", "Memory that the process has.", |_| {
        source::memory().and_then(one)
    })
    .of("bytes"),
];

/// Reads all that can be read.
pub(super) fn read(source: &Source<'_>) -> Vec<Reading<'static>> {
    let read =
        |metric: &'static Metric| (metric.read)(source).map(|samples| Reading { metric, samples });
    TABLE.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::metric::Kind;
    use super::*;

    #[test]
    fn each_name_is_there_once_and_ends_in_its_unit() {
        let names: HashSet<_> = TABLE.iter().map(|it| it.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for Metric { name, unit, kind, .. } in TABLE {
            assert!(unit.is_none_or(|unit| name.ends_with(&format!("_{unit}"))), "{name}");
            assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{name}: {kind:?}");
            assert_eq!(
                name.ends_with("_seconds") || name.ends_with("_bytes"),
                unit.is_some(),
                "{name}"
            );
            let is_ours = name.starts_with("tinychat_");
            assert!(is_ours || (name.starts_with("process_") && *kind == Kind::Gauge), "{name}");
        }
    }

    #[test]
    fn what_it_says_of_each_is_a_sentence_on_one_line() {
        for Metric { name, help, .. } in TABLE {
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        }
    }
}
