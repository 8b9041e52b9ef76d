//! What was tolerated while a data set was read.

use crate::{NotMine, Taken};

const MOST_FINDINGS: usize = 50;

/// What was tolerated: the numbers are those of a table of the Python side, which has the words.
#[derive(Clone, Copy)]
pub enum Flaw {
    GroupLength = 0,
    LenientUid = 1,
    FileMeta = 2,
    Nul = 3,
    UidCharacters = 4,
    Number = 5,
    WrongLength = 6,
    GroupsLost = 7,
}

/// The findings: the tags down to each, and what was wrong.
#[derive(Default)]
pub struct Found(pub Vec<(Vec<u32>, Flaw)>);

impl Found {
    pub fn add(&mut self, tags: &[u32], flaw: Flaw) -> Taken<()> {
        if self.0.len() >= MOST_FINDINGS {
            return Err(NotMine("very many findings"));
        }
        self.0.push((tags.to_vec(), flaw));
        Ok(())
    }
}
