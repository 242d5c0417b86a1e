// Package defect knows the planted defects: mistakes that the product could have, written into its own code, one line each. They
// show that the tests would notice. A build with the tag "defects" has them all and makes the one that the environment variable
// OMNIBUS_DEFECT names; any other build has none, and On costs nothing there.
package defect

// Name names a defect.
type Name string

// The defects.
const (
	CommitHighest     Name = "commit-highest"      // commit one past the highest delivered offset
	CountWatermark    Name = "count-watermark"     // commit by how many are settled, not below the smallest that is not
	SettleRetries     Name = "settle-retries"      // take an event that is to be retried for settled
	RetryBehind       Name = "retry-behind"        // put a retry behind the later events of its key
	TwoLanes          Name = "two-lanes"           // more than one lane for a key
	IgnoreSet         Name = "ignore-set"          // ignore what the commit metadata knows as completed
	BeginAtEnd        Name = "begin-at-end"        // begin a group without a position at the end of the log
	NoLastCommit      Name = "no-last-commit"      // stop without a commit
	NoWaitOnRevoke    Name = "no-wait-on-revoke"   // give partitions back without waiting for running handlers
	CommitAfterLost   Name = "commit-after-lost"   // treat a loss like a revoke: wait and commit
	LateResults       Name = "late-results"        // let a result of an old assignment settle an event of the new one
	OutageIsPoison    Name = "outage-is-poison"    // do not recognise an outage
	SettleBeforeDead  Name = "settle-before-dead"  // settle an event before its dead letter is acknowledged
	DropDead          Name = "drop-dead"           // give a dead letter up when it cannot be written
	AlterDead         Name = "alter-dead"          // keep other bytes in the dead letter than the event had
	BareDead          Name = "bare-dead"           // leave a header of the dead letter out
	UnknownIsFailed   Name = "unknown-is-failed"   // call an unknown outcome "not sent"
	FailedIsPublished Name = "failed-is-published" // call a failed publish acknowledged
	CallersContext    Name = "callers-context"     // let records live under their caller's context
	LostWindows       Name = "lost-windows"        // do not rebuild the producers' windows after a kill of the broker
)

// All lists the defects.
func All() []Name {
	return []Name{
		CommitHighest, CountWatermark, SettleRetries, RetryBehind, TwoLanes, IgnoreSet, BeginAtEnd, NoLastCommit, NoWaitOnRevoke,
		CommitAfterLost, LateResults, OutageIsPoison, SettleBeforeDead, DropDead, AlterDead, BareDead, UnknownIsFailed,
		FailedIsPublished, CallersContext, LostWindows,
	}
}
