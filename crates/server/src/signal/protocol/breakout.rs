//! What the messages about a room's groups are made of.

use serde::{Deserialize, Serialize};

use super::conference::MemberNumber;
use super::types::Person;

/// A group's number in its room, from 1.
pub type GroupNumber = u32;

/// A group that a room is divided into.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its number.
    pub number: GroupNumber,
    /// What it is called, 1 to 64 characters.
    pub name: String,
}

/// A group to be made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct GroupPlan {
    /// What it is to be called, 1 to 64 characters.
    pub name: String,
    /// Who is sent there.
    #[serde(default)]
    pub members: Vec<MemberNumber>,
}

/// Where somebody is in a divided room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Their number, which stays the same wherever they are.
    pub number: MemberNumber,
    /// Who.
    pub person: Person,
    /// The group that they were sent to; `null`: none.
    pub group: Option<GroupNumber>,
    /// The group that they are in; `null`: the main room.
    pub at: Option<GroupNumber>,
    /// Whether they raise their hand.
    pub hand: bool,
}

/// How a room is divided now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Breakout {
    /// The groups, by number.
    pub groups: Vec<Group>,
    /// The group that you are in; `null`: the main room.
    pub at: Option<GroupNumber>,
    /// The group that you were sent to, and may go to; `null`: none.
    pub yours: Option<GroupNumber>,
    /// Seconds until everybody is back in the main room; `null`: until an owner calls them.
    pub seconds: Option<u32>,
    /// Whether they were called already.
    pub closing: bool,
    /// To owners: everybody, and where they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(as = "Option<Vec<Placed>>", optional))]
    pub people: Vec<Placed>,
}

/// What is done about a room's groups. All but `go` is for owners.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum BreakoutAction {
    /// Divides the room. Whoever is named goes to their group at once; the others stay in the main room.
    Start {
        /// 1 to 50 groups; the first has the number 1.
        groups: Vec<GroupPlan>,
        /// Whether those who are named nowhere are sent to groups by chance, as evenly as can be; owners stay.
        #[serde(default)]
        rest: bool,
        /// Seconds (1 to 86400) after which everybody is called back; absent: no limit.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(test, ts(optional = nullable))]
        seconds: Option<u32>,
    },
    /// Sends somebody to another group, or back to the main room.
    Assign {
        /// Who.
        member: MemberNumber,
        /// Where to; `null`: the main room.
        group: Option<GroupNumber>,
    },
    /// Goes oneself: to the group that one was sent to, back to the main room, or as an owner to any group.
    Go {
        /// Where to; `null`: the main room.
        group: Option<GroupNumber>,
    },
    /// Says something to everybody, wherever they are (`announced`). Not in an encrypted room: the server would read it.
    Say {
        /// 1 to 2000 characters.
        text: String,
    },
    /// Calls everybody back.
    Recall {
        /// In so many seconds, 0 to 600.
        seconds: u32,
    },
}
