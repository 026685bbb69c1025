//! The first start of a person: until a server has let them in, what does not work is asked for again.
//!
//! Owned by the face that starts after it. Invariants: only somebody who sits at a terminal and sees the question is
//! asked, and only if there was no client in the data folder before; a name or a server that did not work leaves no
//! folder, unless something in it is to be kept.

use std::path::PathBuf;
use std::time::Duration;

use async_channel::Receiver;
use futures::future::Either;

use super::entry::{self, Error, Options, race};
use super::offer;
use super::person::Person;
use crate::client::{self, Absence, Client, Command, Ending, Event, Failure};
use crate::exit::Exit;
use crate::message::Name;
use crate::output;
use crate::task;

/// After so long it is said what is waited for.
const SLOW: Duration = Duration::from_secs(1);

/// What a face begins with.
pub(crate) struct Begun {
    /// As they worked.
    pub(crate) options: Options,
    pub(crate) user: Name,
    pub(crate) data: PathBuf,
    pub(crate) client: Client,
    pub(crate) events: Receiver<Event>,
    /// What the client has told already.
    pub(crate) told: Vec<Event>,
}

/// Starts the client; where it is the first start and somebody sits there, until they are let in. Otherwise gives an
/// exit code.
pub(crate) async fn start(
    mut options: Options,
    mut user: Name,
    person: &mut Person<'_>,
) -> Result<Either<Begun, Exit>, Error> {
    loop {
        let (wrong, because) = match attempt(&options, &user, person).await? {
            Attempt::Begun(begun) => return Ok(Either::Left(*begun)),
            Attempt::Ended(exit) => return Ok(Either::Right(exit)),
            Attempt::Wrong(wrong, because) => (wrong, because),
        };
        because.lines().for_each(|line| person.screen.problem(line));
        let left = match wrong {
            Wrong::Name => put(person.name().await?, &mut user),
            Wrong::Server => put(person.server(&options).await?, &mut options.server),
            Wrong::Invitation => {
                let people = std::mem::take(&mut options.server.people);
                let left = put(person.invitation().await?, &mut options.server);
                // What the address said before of people holds beside an invitation.
                options.server.people.extend(people);
                left
            }
        };
        if let Some(exit) = left {
            return Ok(Either::Right(exit));
        }
        options.misnamed = None;
    }
}

/// Puts an answer where it belongs; or gives the exit code that came instead.
fn put<T>(answer: Either<T, Exit>, place: &mut T) -> Option<Exit> {
    match answer {
        Either::Left(answer) => {
            *place = answer;
            None
        }
        Either::Right(exit) => Some(exit),
    }
}

/// What one start came to.
enum Attempt {
    Begun(Box<Begun>),
    Ended(Exit),
    Wrong(Wrong, String),
}

/// What is to be asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Name,
    Server,
    Invitation,
}

async fn attempt(
    options: &Options,
    user: &Name,
    person: &mut Person<'_>,
) -> Result<Attempt, Error> {
    let is_asked = person.screen.interactive && output::is_asking_seen();
    let config = match entry::config(options, user) {
        Err(Error::Address(error)) if is_asked && is_new(options, user) => {
            return Ok(Attempt::Wrong(Wrong::Server, error.to_string()));
        }
        config => client::Config { tentative: is_asked, ..config? },
    };
    let data = config.data.clone();
    let started = entry::start(config, person.screen, person.lines, person.interrupts).await?;
    let (client, events) = match started {
        Either::Left(started) => started,
        Either::Right(exit) => return Ok(Attempt::Ended(exit)),
    };
    let (options, user) = (options.clone(), user.clone());
    let mut begun = Begun { options, user, data, client, events, told: Vec::new() };
    if !is_asked || !begun.client.is_first() {
        return Ok(Attempt::Begun(Box::new(begun)));
    }
    let came = begun.come_in(person).await?;
    let ended = match came {
        Came::In => match offer::make(person, &begun.options, &begun.user).await? {
            None => return Ok(Attempt::Begun(Box::new(begun))),
            Some(exit) => Attempt::Ended(exit),
        },
        Came::Not(wrong, because) => Attempt::Wrong(wrong, because),
        Came::Failed(because) => {
            because.lines().for_each(|line| person.screen.problem(line));
            Attempt::Ended(Exit::Failed)
        }
        Came::Left(exit) => Attempt::Ended(exit),
    };
    begun.client.give(Command::Leave).await;
    begun.client.join().await;
    Ok(ended)
}

fn is_new(options: &Options, user: &Name) -> bool {
    entry::data_folder(options, user).is_ok_and(|data| client::is_new(&data))
}

/// Whether somebody was let in.
enum Came {
    In,
    Not(Wrong, String),
    Failed(String),
    Left(Exit),
}

impl Begun {
    /// Waits until the server has said whether it lets somebody in.
    async fn come_in(&mut self, person: &mut Person<'_>) -> Result<Came, Error> {
        let server = self.options.server.address.clone();
        let (mut is_slow, mut told_of_agent) = (false, None);
        loop {
            let next = async {
                match task::within(SLOW, self.events.recv()).await {
                    Some(event) => event,
                    None => {
                        if !std::mem::replace(&mut is_slow, true) {
                            person.screen.note(&format!("connecting to {server}; Ctrl-C leaves"));
                        }
                        self.events.recv().await
                    }
                }
            };
            match race(next, person.interrupts.next()).await {
                Either::Left(Ok(Event::Connected)) => {
                    self.told.push(Event::Connected);
                    return Ok(Came::In);
                }
                Either::Left(Ok(Event::Disconnected { because, .. })) => match because {
                    Absence::Server(because) => {
                        let because = format!("cannot sign in at {server}: {because}");
                        return Ok(Came::Not(Wrong::Server, because));
                    }
                    // It tries again until the agent signs.
                    Absence::Agent(because) if told_of_agent.as_ref() != Some(&because) => {
                        person.screen.problem(&because);
                        told_of_agent = Some(because);
                    }
                    Absence::Agent(_) => {}
                },
                Either::Left(Ok(Event::Ended(ending))) => return Ok(came_to(ending)),
                Either::Left(Ok(event)) => self.told.push(event),
                Either::Left(Err(_)) => return Ok(Came::Failed(entry::LOST_CLIENT.into())),
                Either::Right(signal) => return Ok(Came::Left(signal?.exit())),
            }
        }
    }
}

/// What an end means for whoever could try again with something else.
fn came_to(ending: Ending) -> Came {
    let Some(failure) = ending.failure else { return Came::Failed(entry::LOST_CLIENT.into()) };
    let because = failure.to_string();
    match failure {
        Failure::Name(_) => Came::Not(Wrong::Name, because),
        Failure::Uninvited(_) => Came::Not(Wrong::Invitation, because),
        Failure::NotAServer { .. }
        | Failure::NoTls { .. }
        | Failure::Unprotected(_)
        | Failure::WrongServer { .. } => Came::Not(Wrong::Server, because),
        _ => Came::Failed(because),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is asked for again behind a failure.
    fn asked(failure: Failure) -> Option<Wrong> {
        match came_to(Ending { failure: Some(failure), unsent: 0 }) {
            Came::Not(wrong, _) => Some(wrong),
            _ => None,
        }
    }

    #[test]
    fn what_did_not_work_is_asked_for_and_nothing_else() {
        let server: client::Address = "host".parse().unwrap();
        let because = || "it is so".to_string();
        let key = crate::trust::Fingerprint::of(b"key");
        for (failure, wrong) in [
            (Failure::Name(because()), Some(Wrong::Name)),
            (Failure::Uninvited(because()), Some(Wrong::Invitation)),
            (Failure::Unprotected(server.clone()), Some(Wrong::Server)),
            (Failure::NoTls { server: server.clone(), because: because() }, Some(Wrong::Server)),
            (
                Failure::NotAServer { server: server.clone(), because: because() },
                Some(Wrong::Server),
            ),
            (Failure::WrongServer { server, named: key, shown: key }, Some(Wrong::Server)),
            (Failure::Refused(because()), None),
            (Failure::Store(because()), None),
            (Failure::Replaced, None),
        ] {
            assert_eq!(asked(failure.clone()), wrong, "{failure}");
        }
    }
}
