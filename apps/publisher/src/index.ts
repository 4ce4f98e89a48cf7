export { createPublisher, type PublisherDeps } from './create-publisher.ts';
export { tryPublication, type TryDeps } from './try-publication.ts';
export { publishImage, type PublishDeps } from './publish-image.ts';
export { deliverRelease, type DeliverDeps } from './deliver-release.ts';
export {
  createReleaseRegistry,
  type Answer,
  type ReleaseRegistry,
  type StoredImage,
  type VerifiedChild,
} from './release-registry.ts';
