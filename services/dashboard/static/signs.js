// Tables of faces' head pose, eyes, gaze and doubts, and of persons' drowsiness and looking away.
import { feed } from "affectline-web";

export default {
  template: `
    <div class="af-signs">
      <p v-if="!faces.length && !people.length">Head, eyes and gaze appear with the first face whose
        landmarks are found.</p>
      <div v-for="face in faces" :key="face.stream + face.track" class="af-scroll"
          :data-face="face.stream + '/' + face.track"><table>
        <caption>Head and eyes: {{ face.stream }}, face #{{ face.track }}</caption>
        <tr v-if="face.doubts.length"><th>expression</th>
          <td class="af-signs-value"><i class="af-hatch"></i> not to be trusted: {{ face.doubts.join(", ") }}</td><td></td></tr>
        <tr v-for="row in face.rows" :key="row.name"><th>{{ row.name }}</th>
          <td class="af-signs-value">{{ row.value }}</td><td class="af-note">{{ row.note }}</td></tr>
      </table></div>
      <div v-for="one in people" :key="one.subject" class="af-scroll" :data-subject="one.subject"><table>
        <caption>Drowsiness and looks away: {{ one.subject }}; not validated on drivers</caption>
        <tr v-for="row in one.rows" :key="row.name"><th>{{ row.name }}</th>
          <td class="af-signs-value">{{ row.value }}</td><td class="af-note">{{ row.note }}</td></tr>
      </table></div>
    </div>`,
  data() {
    return { faces: [], people: [] };
  },
  mounted() {
    this.unsubscribes = [
      feed.on("signs", ({ faces, people }) => Object.assign(this, { faces, people })),
      feed.on("disconnected", () => Object.assign(this, { faces: [], people: [] })),
    ];
  },
  unmounted() {
    this.unsubscribes.forEach((unsubscribe) => unsubscribe());
  },
};
