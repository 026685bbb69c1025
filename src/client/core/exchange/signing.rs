//! Having something signed by the key of the person, which may be one that asks its owner.
//!
//! Owned by the core. Invariant: it never waits for that; what is signed comes as an [order](Said).

use std::pin::pin;
use std::time::Duration;

use async_channel::WeakSender;

use super::super::order::{Order, Said};
use super::super::state::Core;
use crate::client::event::Event;
use crate::task;

/// After how long the person is told that the key is asked to sign.
const TOLD_AFTER: Duration = Duration::from_secs(3);

impl Core {
    /// Signs in the background; `what` the key is asked to sign is told if that takes long.
    pub(super) fn have_signed<T: Send + 'static>(
        &self,
        what: &'static str,
        sign: impl FnOnce() -> T + Send + 'static,
        said: impl FnOnce(T) -> Said + Send + 'static,
    ) {
        let orders = self.files.orders.clone();
        task::spawn("sign", async move {
            let mut signing = pin!(task::blocking(sign));
            let signed = match task::within(TOLD_AFTER, signing.as_mut()).await {
                Some(signed) => signed,
                None => {
                    tell(&orders, Said::Signing(what)).await;
                    signing.await
                }
            };
            tell(&orders, said(signed)).await;
        });
    }

    /// It takes long.
    pub(super) fn tell_signing(&self, what: &str) {
        let because = format!("your key is asked to sign {what}, and may be asking you");
        self.tell(Event::Objection { because });
    }
}

/// The core may have ended; then nobody wants to know.
async fn tell(orders: &WeakSender<Order>, said: Said) {
    if let Some(orders) = orders.upgrade() {
        let _ = orders.send(Order::Said(said)).await;
    }
}
