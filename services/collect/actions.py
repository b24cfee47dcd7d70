"""Actions of the page's visitors, for operators only; the audit logs them.

The audit outlives a person's data, so it names nobody.
"""

from typing import Any

from affectline.services.collect.collector import Collector, FrameRef
from affectline.services.collect.consent import ConsentRecord
from affectline.services.collect.exporting import ExportFormat, ExportResult, export
from affectline.services.collect.quality_checks import Rejection
from affectline.services.collect.samples import Sample
from affectline.services.web.logins import Visitor


class BoothActions:
    """The actions of one visitor. They raise `AffectlineError`, also for viewers.

    Args:
        collector: State shared by all pages.
        visitor: The visitor.
    """

    def __init__(self, collector: Collector, visitor: Visitor) -> None:
        self._collector, self._visitor = collector, visitor
        self._collection = collector.collection

    def record_consent(self, person: str) -> ConsentRecord:
        """Record that a person agrees to the current text."""
        self._visitor.require_operator("record consent")
        return self._collection.record_consent(person)

    async def capture(self, frame_ref: FrameRef, person: str, label: str) -> Sample | Rejection:
        """Store the face of the frame on a page's screen, if it passes the checks."""
        self._visitor.require_operator("capture faces")
        result = await self._collector.capture(frame_ref, person, label)
        if isinstance(result, Sample):
            self._add_audit_line("face recorded", sample=result.id, label=result.label)
        return result

    def accept(self, *files: str) -> None:
        """Mark samples as reviewed and kept."""
        self._visitor.require_operator("review samples")
        self._collection.accept(*files)

    def relabel(self, file: str, label: str) -> None:
        """Correct the label of a sample, and mark it as reviewed and kept."""
        self._visitor.require_operator("review samples")
        self._collection.relabel(file, label)

    def delete_sample(self, file: str) -> None:
        """Delete a sample: both of its images, and its row."""
        self._visitor.require_operator("delete samples")
        sample = self._collection.find(file)
        self._collection.delete(file)
        self._add_audit_line("sample deleted", sample=sample.id)

    def delete_person(self, person: str) -> None:
        """Delete everything about a person."""
        self._visitor.require_operator("delete people")
        count = sum(sample.person == person for sample in self._collection.samples)
        exports = self._collection.delete_person(person)
        self._add_audit_line("person deleted", samples=count, exports=exports)

    def export(self, file_format: ExportFormat, *, only_kept: bool) -> ExportResult:
        """Write the samples below ``exports``."""
        self._visitor.require_operator("export samples")
        exported = export(self._collection, file_format, only_kept=only_kept)
        self._add_audit_line(
            "samples exported", export=exported.folder.name, samples=exported.samples
        )
        return exported

    def _add_audit_line(self, did: str, **what: Any) -> None:
        self._collector.audit.add(self._visitor, did, **what)
